"""Takes an erasure from its record to its end, through every place that holds a copy.

The order of the steps makes a kill at any moment safe. The record keeps what was asked for until the last place is
searched. Then the record loses it, and only after that is the warehouse rewritten. Publication comes last, because the
published file is a copy of that file. Each step may be taken twice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from linkt_pipeline.assets.erased_history import erase_from_history
from linkt_pipeline.assets.foreign_files import REPORT_NAME, notes_on_foreign_files
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.report import write_report
from linkt_pipeline.settings import Settings
from linkt_pipeline.transform import Check, Project, build_all, forget_project, load_project
from linkt_pipeline.warehouse.catalog import read_catalog
from linkt_pipeline.warehouse.engines.choice import warehouse_of
from linkt_pipeline.warehouse.erasure import (
    Erasure,
    finish_erasure,
    forget_target,
    note_failure,
    remove_target,
    unfinished_erasures,
)
from linkt_pipeline.warehouse.migration import empty_warehouse
from linkt_pipeline.warehouse.publish.snapshot import SnapshotError, publish_snapshot
from linkt_pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class Erased:
    """What was done.

    Attributes:
        removed: rows by table.
        history: records and files of Dagster's that were changed.
        published: there was a published copy, and it was made again.
        notes: what a person should know.
    """

    removed: Mapping[str, int]
    history: int
    published: bool
    notes: tuple[str, ...]


def finish_erasures(settings: Settings, say: Callable[[str], None]) -> dict[str, Erased]:
    """Bring every erasure that was begun to its end.

    Args:
        settings: of the deployment.
        say: called with each step as it begins.

    Returns:
        What was done, by the id of the erasure.

    Raises:
        LinktPipelineError: it can't be finished now; the next call goes on, and ``status`` says why.
    """
    warehouse = warehouse_of(settings)
    erasures = unfinished_erasures(warehouse)
    if not erasures:
        return {}
    try:
        return _finish(settings, warehouse, erasures, say)
    except Exception as error:
        note_failure(warehouse, error)
        raise


def _finish(
    settings: Settings, warehouse: Warehouse, erasures: Sequence[Erasure], say: Callable[[str], None]
) -> dict[str, Erased]:
    forget_project(settings.root)  # a seed may hold what is erased
    taken = [_take_out(settings, warehouse, erasure, say) for erasure in erasures]
    published, notes = _make_again(settings, warehouse, say)
    for erasure in erasures:
        finish_erasure(warehouse, erasure.erasure_id)
    return {
        erasure.erasure_id: Erased(removed, history, published, (*of_it, *notes))
        for erasure, (removed, history, of_it) in zip(erasures, taken, strict=True)
    }


def _take_out(
    settings: Settings, warehouse: Warehouse, erasure: Erasure, say: Callable[[str], None]
) -> tuple[Mapping[str, int], int, list[str]]:
    """Take the steps that have to know what is erased. Returns rows, records of Dagster's history, and notes."""
    say("removing it from the warehouse")
    if erasure.target is not None:
        # First, and each time: what the ledger still held would be copied into the warehouse again.
        ledger = ledger_of(warehouse)
        ledger.erase(erasure.target.mentions)
        ledger.mirror()
    removed = remove_target(warehouse, erasure)
    if erasure.target is None:
        return removed, 0, []
    say("searching Dagster's history")
    history = erase_from_history(settings.root, erasure.target.mentions)
    notes = notes_on_foreign_files(settings, warehouse, erasure.target.mentions)
    forget_target(warehouse, erasure.erasure_id)
    return removed, history, notes


def _make_again(settings: Settings, warehouse: Warehouse, say: Callable[[str], None]) -> tuple[bool, list[str]]:
    """Make every file again that is made of the landed rows. Returns whether there is a published copy, and notes."""
    project = _project(settings)
    say("building the models")
    failed = build_all(warehouse, project)
    notes = [f"{key} can't be built and is not published: {reason}" for key, reason in failed.items()]
    say("rewriting the warehouse")
    warehouse.rewrite()
    published = settings.published_dir.exists() and any(settings.published_dir.iterdir())
    if published:
        say("publishing")
        notes += _publish(settings, warehouse, project, project.checks)
    return published, notes + _report_again(settings)


def _report_again(settings: Settings) -> list[str]:
    """Make the report again. It shows people, so a report that can't be made again is removed."""
    report = settings.root / REPORT_NAME
    if not report.exists():
        return []
    try:
        write_report(settings.snapshot_path, report, made_up=settings.sandbox)
    except LinktPipelineError as error:
        report.unlink()
        return [f"{report} is removed, because it could not be made again: {error}"]
    return []


def _project(settings: Settings) -> Project:
    with empty_warehouse() as con:
        landed = [table for table in read_catalog(con) if table.schema == "linkt"]
    columns = {table.key: {column.name: column.type for column in table.columns} for table in landed}
    return load_project(settings.sql_dirs, columns)


def _publish(settings: Settings, warehouse: Warehouse, project: Project, checks: list[Check]) -> list[str]:
    """Publish even if a check fails: the present copy still holds what was erased."""
    from linkt_pipeline.assets.snapshot import require_checked

    publish = partial(publish_snapshot, warehouse, settings.published_dir, project.graph.published_views)
    try:
        publish(require=partial(require_checked, checks))
    except SnapshotError as error:
        publish()
        return [f"published all the same, because the copy before held what is erased: {error}"]
    return []
