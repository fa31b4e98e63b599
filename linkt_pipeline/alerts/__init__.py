"""Tells people what happened: reads the outbox, makes texts of it and sends them to the channels of tasks.yaml."""
