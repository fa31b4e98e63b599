"""Ingest a user's file: check it, bring it to Linkt, point the task at it, have it executed and landed."""
