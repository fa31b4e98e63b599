"""The key that the sandbox takes for its own organization."""

SANDBOX_KEY = "sk-sandbox"
