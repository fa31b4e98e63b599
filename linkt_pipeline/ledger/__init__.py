"""The ledger of paid executions: who may start one, who waits for it, and which outcomes are still owed."""
