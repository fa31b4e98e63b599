"""The other paid asset: files of a folder, one partition each, started by a person."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from linkt_pipeline.assets.askers import is_repetition, person_of
from linkt_pipeline.assets.checks import check_spec, checked
from linkt_pipeline.assets.executions import SANDBOX_MODE
from linkt_pipeline.assets.failures import fails_in_plain_words
from linkt_pipeline.assets.metadata import KINDS, bounded, landed_metadata
from linkt_pipeline.assets.paid_step import PaidStep
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.errors import LinktPipelineError
from linkt_pipeline.executions.events import Observer
from linkt_pipeline.executions.worker import Worker
from linkt_pipeline.ingest.desk import Desk
from linkt_pipeline.ingest.ingest import Checked, Ingested, Request, check_file, ingest_file
from linkt_pipeline.tasks import CommonSettings, TaskSpec
from linkt_pipeline.transform import Check, ModelKey
from linkt_pipeline.warehouse.catalog import CatalogTable

_TABLE = ModelKey("linkt", "ingests")
_ENDINGS = frozenset({".csv", ".xlsx"})

_DESCRIPTION = """\
**Costs credits**, about one a row. Brings each selected file to Linkt, sets its task to it, executes the task and
waits.

One partition per file of `{folder}`: a file `TASK/NAME.csv` or `.xlsx` is ingested by the entry TASK of tasks.yaml.
The sensor `{sensor}` adds a partition for each new file; it never starts anything. Select files and materialize them:
they are ingested one after the other, because a task can name one file at a time.

A file is known by its content: the same one is neither uploaded nor bought twice, whatever is materialized or executed
again. `again` in the launchpad buys another run. `marts.ingest_rows` says what became of each row.
"""


class IngestConfig(dg.Config):
    """How the selected files are ingested."""

    primary_column: str | None = Field(
        default=None, description="Column that distinguishes the rows; default: the one that the Linkt task names."
    )
    entity_type: str | None = Field(
        default=None, description="What a row stands for, such as person; default: what the Linkt task says."
    )
    again: bool = Field(
        default=False,
        description="Costs credits: buy another run for files that were ingested before. Re-executing this Dagster run "
        "buys none.",
    )
    over_budget: bool = Field(
        default=False,
        description="Costs credits: ingest files that are expected to cost more than monthly_credit_limit leaves. The "
        "row in linkt.executions says who did.",
    )


@dataclass(frozen=True)
class _Ended:
    """How one file ended: with its check and its run, or with an error."""

    file: str
    checked: Checked | None = None
    ingested: Ingested | None = None
    error: LinktPipelineError | None = None


def file_partitions(placement: Placement) -> dg.DynamicPartitionsDefinition:
    """One partition per file; the sensor adds them, and so can a person."""
    return dg.DynamicPartitionsDefinition(name=placement.name("ingest_files"))


def files_of(folder: Path, tasks: Sequence[str]) -> list[str]:
    """The files that can be ingested, as ``TASK/NAME.csv`` or ``.xlsx``, in order."""
    found = []
    for task in tasks:
        place = folder / task
        if place.is_dir():
            found += [
                f"{task}/{file.name}"
                for file in place.iterdir()
                if file.is_file() and file.suffix.lower() in _ENDINGS and not file.name.startswith((".", "~$"))
            ]
    return sorted(found)


def build_ingests(
    placement: Placement,
    backend: Backend,
    tasks: Mapping[str, TaskSpec],
    common: CommonSettings,
    table: CatalogTable,
    checks: list[Check],
    observer: Observer | None = None,
) -> dg.AssetsDefinition:
    """The asset ``linkt/ingests``.

    Args:
        placement: where it stands.
        backend: its API and warehouse.
        tasks: the entries of tasks.yaml.
        common: what the file says of all of them together.
        table: ``linkt.ingests``.
        checks: checks on any table; those on ``linkt.ingests`` are run with the asset.
        observer: receives every event, as the log does.
    """
    folder = backend.settings.ingest_folder
    own = [check for check in checks if check.model == _TABLE]

    # No retry policy: under one, Dagster turns an interrupt into a retry, which would be one more chance to buy.
    @dg.asset(
        key=placement.ingests,
        partitions_def=file_partitions(placement),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=placement.group("linkt"),
        kinds={"linkt", *KINDS},
        owners=[*placement.owners],
        tags={"linkt/paid": "true", **(SANDBOX_MODE if backend.settings.sandbox else {})},
        description=_DESCRIPTION.format(folder=folder, sensor=placement.name(WATCHER)),
        metadata=landed_metadata(table),
        check_specs=[check_spec(placement, check) for check in own],
    )
    @fails_in_plain_words
    def ingests(context: dg.AssetExecutionContext, config: IngestConfig) -> Iterator[dg.MaterializeResult[None]]:
        requests = {file: _request(folder, file, tasks, config, context.run) for file in _selected(context)}
        step = PaidStep(
            context,
            placement,
            backend,
            [request.task for request in requests.values()],
            common,
            observer,
            frozenset(tasks),
            over_budget_by=person_of(context.run) if config.over_budget else None,
        )
        ended = step.run(lambda worker: _ingest_all(worker, requests))
        failed = [each for each in ended if each.error is not None or (each.ingested and each.ingested.error)]
        _record(context, placement.ingests, ended, succeeded=not failed)
        answered = [each.ingested.execution.execution_id for each in ended if each.ingested]
        if failed:
            step.deliver([each.ingested.execution.execution_id for each in failed if each.ingested])
            raise dg.Failure(_told(failed), allow_retries=False)
        with backend.warehouse.read() as con:
            found = [checked(placement, con, check) for check in own]
        yield dg.MaterializeResult(check_results=found)
        if not step.publishes:
            step.deliver(answered)

    return ingests


WATCHER = "watch_ingest_folder"


def build_ingest_watcher(placement: Placement, backend: Backend, tasks: Mapping[str, TaskSpec]) -> dg.SensorDefinition:
    """The sensor that adds a partition for each new file, and starts nothing."""
    partitions = file_partitions(placement)

    @dg.sensor(
        name=placement.name(WATCHER),
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Free: makes a partition of linkt/ingests for each new file of the ingest folder. Starts nothing.",
    )
    def watch_ingest_folder(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        known = set(context.instance.get_dynamic_partitions(str(partitions.name)))
        new = [file for file in files_of(backend.settings.ingest_folder, list(tasks)) if file not in known]
        if not new:
            return dg.SkipReason("no new file")
        return dg.SensorResult(dynamic_partitions_requests=[partitions.build_add_request(new)])

    return watch_ingest_folder


def _selected(context: dg.AssetExecutionContext) -> Sequence[str]:
    """The files to ingest.

    Raises:
        dagster.Failure: the materialization names none.
    """
    if not context.has_partition_key and not context.has_partition_key_range:
        raise dg.Failure(
            "no file was selected, so nothing was sent and nothing was spent. Materialize linkt/ingests again and "
            "select files",
            allow_retries=False,
        )
    return list(context.partition_keys)


def _request(
    folder: Path, file: str, tasks: Mapping[str, TaskSpec], config: IngestConfig, run: dg.DagsterRun
) -> Request:
    task, _, name = file.partition("/")
    if task not in tasks or not name or "/" in name or name in (".", ".."):
        raise dg.Failure(
            f"the partition {file!r} names no file of an entry of tasks.yaml (TASK/NAME.csv or .xlsx; entries: "
            f"{', '.join(tasks)}). Nothing was sent",
            allow_retries=False,
        )
    # A Dagster run that is executed again repeats its question; it must not buy once more what it bought.
    again = config.again and not is_repetition(run)
    return Request(tasks[task], folder / task / name, config.primary_column, config.entity_type, again)


async def _ingest_all(worker: Worker, requests: Mapping[str, Request]) -> list[_Ended]:
    """One after the other: a task can name one file at a time. The failure of one does not stop the others."""
    ended = []
    for file, request in requests.items():
        desk = Desk(worker)
        check: Checked | None = None
        try:
            check = await check_file(desk, request)
            for warning in check.warnings:
                worker.warn(request.task.key, f"{file}: {warning}")
            credits = "unknown" if check.expected.credits is None else f"{check.expected.credits:.4g}"
            worker.note(
                request.task.key,
                f"{file}: {len(check.source.rows)} rows, about {check.expected.minutes:g} minutes, expected credits "
                f"{credits} ({check.expected.basis})",
            )
            ended.append(_Ended(file, check, await ingest_file(desk, request, check)))
        except LinktPipelineError as error:
            ended.append(_Ended(file, check, error=error))
    return ended


def _record(context: dg.AssetExecutionContext, asset: dg.AssetKey, ended: Sequence[_Ended], *, succeeded: bool) -> None:
    """Metadata per file; where some failed, materializations for the others all the same."""
    for each in ended:
        if each.ingested is None or each.ingested.error is not None:
            continue
        if succeeded:
            context.add_asset_metadata(_metadata(each), partition_key=each.file)
        else:
            context.log_event(dg.AssetMaterialization(asset, partition=each.file, metadata=_metadata(each)))


def _metadata(ended: _Ended) -> dict[str, Any]:
    assert ended.ingested is not None  # noqa: S101
    ingested = ended.ingested
    run = ingested.run
    return bounded(
        {
            "run_id": run.id,
            "status": run.raw_status,
            "bought": ingested.bought,
            "rows": ingested.ingest.file_rows,
            "credits": run.credits if run.credits is not None else "unknown",
            "entities_created": len(run.entities_created),
            "entities_updated": len(run.entities_updated),
            "file_sha256": ingested.ingest.file_sha256,
        }
    )


def _told(failed: Sequence[_Ended]) -> str:
    return "\n".join(f"{each.file}: {each.error or (each.ingested and each.ingested.error)}" for each in failed)
