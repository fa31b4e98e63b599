"""The code location that Dagster loads (`dagster dev -w workspace.yaml`, or `linkt-pipeline ui`)."""

from linkt_pipeline.assets.location import build_location
from linkt_pipeline.settings import load_settings
from linkt_pipeline.tasks_yaml import load_tasks

_settings = load_settings()
defs = build_location(_settings, load_tasks(_settings.active_tasks_file))
