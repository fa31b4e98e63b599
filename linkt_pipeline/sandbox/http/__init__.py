"""The sandbox over HTTP: endpoints, refusals, the rate limit and faults."""
