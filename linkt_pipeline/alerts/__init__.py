"""Alerts people: reads the outbox, turns its events into texts and sends these to the channels of tasks.yaml."""
