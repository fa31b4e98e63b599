"""Access to the API within the plan: one client, one request budget for all processes, requests counted."""
