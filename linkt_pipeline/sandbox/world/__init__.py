"""The made-up account: what its tasks find, and what each run of them is at a moment."""
