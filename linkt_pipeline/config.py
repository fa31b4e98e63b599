"""Settings and tasks under one name."""

from linkt_pipeline.settings import PROJECT_ROOT, SANDBOX_TASKS_FILE, Settings, load_settings
from linkt_pipeline.tasks import ErrorKind, OnTerminate, TaskSpec, parse_duration
from linkt_pipeline.tasks_yaml import load_tasks

__all__ = [
    "PROJECT_ROOT",
    "SANDBOX_TASKS_FILE",
    "ErrorKind",
    "OnTerminate",
    "Settings",
    "TaskSpec",
    "load_settings",
    "load_tasks",
    "parse_duration",
]
