"""The Dagster layer: thin assets, checks, sensors, schedules and jobs over the rooms below."""
