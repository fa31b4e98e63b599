"""The API's endpoints by the names that faults and the request log use."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Endpoint:
    """One method and path template, such as ``GET /v1/run/{run_id}``."""

    name: str
    method: str
    template: str

    @property
    def label(self) -> str:
        """Method and template, as the request log shows them."""
        return f"{self.method} {self.template}"


# Order matters: fixed paths stand before templates that would swallow them.
_TABLE = (
    ("get_run", "GET", "/v1/run/{run_id}"),
    ("list_runs", "GET", "/v1/run"),
    ("run_queue", "GET", "/v1/run/{run_id}/queue"),
    ("cancel_run", "POST", "/v1/run/{run_id}/cancel"),
    ("delete_run", "DELETE", "/v1/run/{run_id}"),
    ("execute", "POST", "/v1/task/{task_id}/execute"),
    ("list_entities", "GET", "/v1/entity"),
    ("search_entities", "GET", "/v1/entity/search"),
    ("count_entities", "GET", "/v1/entity/counts"),
    ("export_entities", "GET", "/v1/entity/export"),
    ("update_entity_statuses", "PATCH", "/v1/entity/status/bulk"),
    ("get_entity", "GET", "/v1/entity/{entity_id}"),
    ("update_entity", "PUT", "/v1/entity/{entity_id}"),
    ("delete_entity", "DELETE", "/v1/entity/{entity_id}"),
    ("list_signals", "GET", "/v1/signal"),
    ("get_signal", "GET", "/v1/signal/{signal_id}"),
    ("list_tasks", "GET", "/v1/task"),
    ("get_task", "GET", "/v1/task/{task_id}"),
    ("create_task", "POST", "/v1/task"),
    ("update_task", "PUT", "/v1/task/{task_id}"),
    ("delete_task", "DELETE", "/v1/task/{task_id}"),
    ("list_icps", "GET", "/v1/icp"),
    ("get_icp", "GET", "/v1/icp/{icp_id}"),
    ("active_runs", "GET", "/v1/icp/{icp_id}/active_runs"),
    ("list_sheets", "GET", "/v1/sheet"),
    ("default_schemas", "GET", "/v1/sheet/schema/default"),
    ("get_schema", "GET", "/v1/sheet/schema/{sheet_id}"),
    ("get_sheet", "GET", "/v1/sheet/{sheet_id}"),
    ("list_schedules", "GET", "/v1/schedule"),
    ("get_schedule", "GET", "/v1/schedule/{schedule_id}"),
    ("upload_file", "POST", "/v1/files/upload"),
    ("list_files", "GET", "/v1/files"),
    ("get_file", "GET", "/v1/files/{file_id}"),
)
ENDPOINTS = {name: Endpoint(name, method, template) for name, method, template in _TABLE}
