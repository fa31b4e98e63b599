"""The code location that Dagster loads (`dagster dev -w workspace.yaml`, or `linkt-pipeline ui`)."""

from linkt_pipeline.assets.location import build_definitions
from linkt_pipeline.config import load_settings, load_tasks

_settings = load_settings()
defs = build_definitions(_settings, load_tasks(_settings.active_tasks_file))
