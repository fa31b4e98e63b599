"""Sandboxes that run: in a thread, as a command, in the background, beside a demo."""
