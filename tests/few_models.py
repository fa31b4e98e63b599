"""A project with a third of the built-in SQL models, for tests of what happens around models.

Loading and building all of them is most of what a Dagster run costs in a test; that all of them work together is what
tests/sql, tests/assets/test_metadata.py, the report, the demo and tests/end_to_end are for.
"""

import shutil
from pathlib import Path

from linkt_pipeline.package_files import BUILT_IN_SQL

_SEEDS = {"shared_hosts"}
_STAGING = {
    "entities", "entity_attributes", "entity_roots", "entity_companies", "signals", "signal_entities",
    "signal_companies", "company_activity", "icps", "time_zone", "task_names", "task_budgets", "run_resources",
    "run_queue_counts", "run_credits", "runs", "sheets", "tasks",
}  # fmt: skip
_MARTS = {"companies", "run_history", "credits_daily", "signal_feed", "task_efficiency"}
_KEPT = {"seeds": _SEEDS, "staging": _STAGING, "marts": _MARTS}
_CHECKS = {"credits_add_up", "attributes_complete"}


def write_few_models(folder: Path) -> Path:
    """Write a folder for ``LINKT_SQL_DIR``: copies of the models that are kept, and a file that disables each other."""
    for path in sorted(BUILT_IN_SQL.glob("*/*.sql")):
        kept = _CHECKS if path.parent.name == "checks" else _KEPT.get(path.parent.name)
        if kept is None:
            continue  # macros: every model may call any
        (folder / path.parent.name).mkdir(parents=True, exist_ok=True)
        if path.stem in kept:
            shutil.copy(path, folder / path.parent.name)
            if path.with_suffix(".csv").exists():
                shutil.copy(path.with_suffix(".csv"), folder / path.parent.name)
        else:
            (folder / path.parent.name / path.name).write_text("-- disabled: true\n", encoding="utf-8")
    return folder
