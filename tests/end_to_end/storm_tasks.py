"""What workers execute while they are killed: searches that find much, fail at times, and are tried again then."""

from linkt_pipeline.sandbox.world.reference_data import FAIR, INGEST_TASK, MONITOR, SHEET_SIGNALS_TASK
from tests.executions.scene import search

_RETRY = {"max_attempts": 2, "on": ["provider_error"], "backoff": "50ms"}
TASKS = [
    search(parameters={"num_results": 30}, retry=_RETRY, max_wait="5m"),
    search(
        key="fair", task_id=INGEST_TASK, icp_id=FAIR, parameters={"input_entities": []}, retry=_RETRY, max_wait="5m"
    ),
    search(
        key="news",
        task_id=SHEET_SIGNALS_TASK,
        icp_id=MONITOR,
        parameters={"num_results": 20},
        retry=_RETRY,
        max_wait="5m",
    ),
]
