"""The paid asset: one partition per entry of tasks.yaml, all waits inside one process."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from pydantic import Field, ValidationError

from linkt_pipeline.api import Run
from linkt_pipeline.assets.askers import (
    TASKS_TAG,
    named_partitions,
    named_tasks,
    other_names_of_question,
    person_of,
    question_of,
    tick_of,
)
from linkt_pipeline.assets.checks import check_spec, checked, note_red_checks
from linkt_pipeline.assets.failures import fails_in_plain_words
from linkt_pipeline.assets.metadata import KINDS, bounded, bounded_text, landed_metadata
from linkt_pipeline.assets.paid_step import PaidStep
from linkt_pipeline.assets.placement import Placement
from linkt_pipeline.assets.previews import figures_markdown
from linkt_pipeline.assets.resources import Backend
from linkt_pipeline.collection.land_runs import run_duration
from linkt_pipeline.display import shown_value
from linkt_pipeline.executions.difference import differences
from linkt_pipeline.executions.events import Observer, format_elapsed
from linkt_pipeline.executions.execute import Outcome, execute_tasks
from linkt_pipeline.tasks import CommonSettings, TaskSpec
from linkt_pipeline.transform import Check, ModelKey
from linkt_pipeline.warehouse.catalog import CatalogTable

_TABLE = ModelKey("linkt", "executions")
SANDBOX_MODE = {"linkt/mode": "sandbox"}
"""Tag of the asset where its data are made up."""

_DESCRIPTION = """\
**Costs credits.** Executes the Linkt task of each selected partition and waits until its run has ended.

Nothing is bought twice: a run that is still going, from an earlier attempt, another process or a lost reply, is
adopted instead, and so is one that has ended but whose rows a killed or failed materialization did not get published.
*Re-execute* repeats a question: a run that answered it before and has completed is the answer again, and nothing is
bought. *Materialize* asks a new one.
Every attempt is a row of `linkt.executions`. *Terminate* in the UI cancels the Linkt run; a process
that is shut down leaves it running, and the next materialization adopts it.

One partition per entry of tasks.yaml. Select several and launch them as one run: they wait side by side. What the
runs found is then fetched, transformed and published by itself, at no cost.
"""
_SANDBOX = """\
**Sandbox mode:** these are the tasks of a stand-in API on this machine, because that was asked for, or there is
neither a key nor a task in tasks.yaml. Nothing costs anything, all data is made up, and it goes to `{folder}` only.

"""


class ExecutionConfig(dg.Config):
    """Overrides of tasks.yaml for this materialization alone."""

    parameters: dict[str, Any] = Field(
        default={}, description="Task parameters to send over those of tasks.yaml, such as {num_results: 5}."
    )
    poll_interval: str | None = Field(
        default=None, description="Shortest time between two looks at a run, such as 10s."
    )
    max_wait: str | None = Field(
        default=None,
        description="How long to wait, such as 4h. After it the step fails; the run goes on and can be adopted.",
    )
    on_terminate: str | None = Field(
        default=None,
        description="An interrupt and the Linkt run: auto (Terminate cancels, shutdown leaves), cancel, leave.",
    )
    again: bool = Field(
        default=False,
        description="Costs credits: start a new run even if the rows of the last one are not published yet. A run that "
        "is still going is adopted all the same.",
    )
    over_budget: bool = Field(
        default=False,
        description="Costs credits: start a new run even if monthly_credit_limit leaves less than it is expected to "
        "cost. The row in linkt.executions says who did. It is good for one run: Re-execute after a failed one keeps "
        "the limits.",
    )

    def applied_to(self, task: TaskSpec) -> TaskSpec:
        """The task with these overrides.

        Raises:
            dagster.Failure: a value can't be used.
        """
        given = {
            name: value
            for name in ("poll_interval", "max_wait", "on_terminate")
            if (value := getattr(self, name)) is not None
        }
        if self.parameters:
            given["parameters"] = {**task.parameters, **self.parameters}
        try:
            return TaskSpec.model_validate({**task.model_dump(), **given})
        except ValidationError as error:
            problems = "; ".join(f"{item['loc'][0]}: {item['msg']} (got {item['input']!r})" for item in error.errors())
            raise dg.Failure(f"the run config can't be used: {problems}", allow_retries=False) from None


def build_executions(
    placement: Placement,
    backend: Backend,
    tasks: Mapping[str, TaskSpec],
    common: CommonSettings,
    table: CatalogTable,
    checks: list[Check],
    observer: Observer | None = None,
    *,
    entries: Collection[str] | None = None,
) -> dg.AssetsDefinition:
    """The asset ``linkt/executions``.

    Args:
        placement: where it stands.
        backend: its API and warehouse.
        tasks: the entries of tasks.yaml; each is a partition.
        common: what the file says of all of them together.
        table: ``linkt.executions``.
        checks: checks on any table; those on ``linkt.executions`` are run with the asset.
        observer: receives every event, as the log does.
        entries: every name in tasks.yaml; default: those of ``tasks``.
    """
    names = frozenset(tasks if entries is None else entries)
    own = [check for check in checks if check.model == _TABLE]
    sandbox_dir = backend.settings.root if backend.settings.sandbox else None

    # No retry policy: under one, Dagster turns an interrupt into a retry, which would be one more chance to buy.
    @dg.asset(
        key=placement.executions,
        partitions_def=dg.StaticPartitionsDefinition(list(tasks)),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=placement.group("linkt"),
        kinds={"linkt", *KINDS},
        owners=[*placement.owners],
        tags={"linkt/paid": "true", **(SANDBOX_MODE if sandbox_dir else {})},
        description=(_SANDBOX.format(folder=sandbox_dir) if sandbox_dir else "") + _DESCRIPTION,
        metadata=landed_metadata(table),
        check_specs=[check_spec(placement, check) for check in own],
    )
    @fails_in_plain_words
    def executions(context: dg.AssetExecutionContext, config: ExecutionConfig) -> Iterator[dg.MaterializeResult[None]]:
        selected = [config.applied_to(tasks[key]) for key in _selected_partitions(context, placement.executions, tasks)]
        not_before = datetime.now(UTC) if config.again else tick_of(context.run)
        over_budget_by = person_of(context.run) if config.over_budget else None
        step = PaidStep(
            context,
            placement,
            backend,
            selected,
            common,
            observer,
            names,
            not_before=not_before,
            question=question_of(context.run),
            same_question=other_names_of_question(context.instance, context.run),
            over_budget_by=over_budget_by,
        )
        outcomes = step.run(lambda worker: execute_tasks(worker, selected, delivers=False))
        try:
            _record(context, placement.executions, outcomes)
        except dg.Failure:
            step.leave_retries_to_people()
            _deliver(step, outcomes)
            raise
        with backend.warehouse.read() as con:
            found = [checked(placement, con, check) for check in own]
        yield dg.MaterializeResult(check_results=found)
        # Only now is the materialization recorded: a step that fails before has not used its runs up.
        _deliver(step, outcomes)
        note_red_checks(backend.warehouse, own, found, context.run.run_id)

    return executions


def _selected_partitions(
    context: dg.AssetExecutionContext, asset: dg.AssetKey, tasks: Collection[str]
) -> Sequence[str]:
    """The names of the tasks to execute.

    Raises:
        dagster.Failure: the materialization names none, or one that is not there (any more).
    """
    if not context.has_partition_key and not context.has_partition_key_range:
        raise dg.Failure(
            "no partition was selected, so no task was executed and nothing was spent. Materialize linkt/executions "
            "again and select a task; the entries of tasks.yaml are the partitions",
            allow_retries=False,
        )
    named = named_tasks(context.instance, context.run, asset)
    if gone := sorted((named_partitions(context.run) | named) - set(tasks)):
        raise _not_executed(f"{', '.join(gone)}, which tasks.yaml no longer has")
    keys = list(context.partition_keys)
    if outside := sorted(named - set(keys)):
        raise _not_executed(f"{', '.join(outside)}, which tasks.yaml now has in another order")
    selected = [key for key in keys if key in named or not named]
    if len(selected) > 1 and TASKS_TAG not in context.run.tags:  # for whoever executes this Dagster run again
        context.instance.add_run_tags(context.run.run_id, {TASKS_TAG: ",".join(selected)})
    return selected


def _not_executed(names: str) -> dg.Failure:
    return dg.Failure(
        f"this Dagster run names {names}. Nothing was executed; launch the tasks that you want again",
        allow_retries=False,
    )


def _deliver(step: PaidStep, outcomes: Sequence[Outcome]) -> None:
    """Deliver the outcomes that are recorded now. The snapshot delivers those that this Dagster run goes on to publish.

    If a task failed, this Dagster run publishes nothing. The failure is an answer by itself; what the other tasks found
    is still to be published, unless nobody asked for that.
    """
    step.deliver(
        [
            outcome.execution.execution_id
            for outcome in outcomes
            if outcome.execution and (outcome.error is not None or not step.publishes)
        ]
    )


def _record(context: dg.AssetExecutionContext, asset: dg.AssetKey, outcomes: Sequence[Outcome]) -> None:
    """Metadata per partition; when some failed, materializations for the others all the same."""
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    if not failed:
        for outcome in outcomes:
            context.add_asset_metadata(_metadata(outcome), partition_key=outcome.task.key)
        for key in set(context.partition_keys) - {outcome.task.key for outcome in outcomes}:
            # Dagster records every partition of a range; what was left out must not look like an execution.
            context.add_asset_metadata({"not_executed": "this Dagster run names other tasks"}, partition_key=key)
        return
    for outcome in outcomes:
        if outcome.succeeded:
            context.log_event(dg.AssetMaterialization(asset, partition=outcome.task.key, metadata=_metadata(outcome)))
    raise dg.Failure(
        description=bounded_text("\n".join(str(outcome.error) for outcome in failed)),
        metadata={
            f"{outcome.task.key}/{name}": value for outcome in failed for name, value in _metadata(outcome).items()
        },
        allow_retries=False,
    )


def _metadata(outcome: Outcome) -> dict[str, Any]:
    execution, run = outcome.execution, outcome.run
    metadata: dict[str, Any] = {}
    if run:
        metadata |= _run_metadata(run)
    if execution:
        metadata |= {
            "run_id": execution.run_id or "",
            "execution_id": execution.execution_id,
            "attempt": execution.attempt,
        }
        if execution.expected_credits is not None:
            metadata["expected_credits"] = execution.expected_credits
        if execution.over_budget_by is not None:
            metadata["over_budget_by"] = execution.over_budget_by
        if different := differences(execution, outcome.task):
            metadata["started_with_other_settings"] = "; ".join(different)
    if outcome.queue:
        metadata["queue"] = dg.MetadataValue.md(figures_markdown(("state", "candidates"), outcome.queue))
    if outcome.error:
        metadata["error"] = str(outcome.error)
    return bounded(metadata)


def _run_metadata(run: Run) -> dict[str, Any]:
    """What a run cost and brought. Plain figures are plotted by the UI, partition by partition."""
    results = len(run.entities_created) + len(run.entities_updated) + len(run.signals_created)
    metadata = {
        "status": run.raw_status,
        "credits": run.credits or 0.0,
        "entities_created": len(run.entities_created),
        "entities_updated": len(run.entities_updated),
        "signals_created": len(run.signals_created),
        "duration": format_elapsed(run_duration(run)),
        "duration_seconds": run_duration(run).total_seconds(),
        "created_at": dg.MetadataValue.timestamp(run.created_at) if run.created_at else dg.MetadataValue.null(),
    }
    if run.credit_breakdown:
        metadata["credits_by_action"] = dg.MetadataValue.md(
            figures_markdown(("action", "credits"), run.credit_breakdown)
        )
    if results:
        metadata["credits_per_result"] = round((run.credits or 0.0) / results, 3)
        metadata["see_its_rows"] = dg.MetadataValue.md(_queries(run))
    return metadata


def _queries(run: Run) -> str:
    """SQL that leads from a run to its rows, once they are published; shown, never run here."""
    lines = []
    if run.entities_created or run.entities_updated:
        lines += ["from marts.companies where entity_id in", "from marts.people where entity_id in"]
    if run.signals_created:
        lines += ["from marts.signal_feed where signal_id in"]
    named = f"from linkt.run_resources\n     select resource_id where run_id = '{shown_value(run.id)}'"
    text = "\n\n".join(f"{line}\n    ({named});" for line in lines)
    return f"On the published snapshot, for example with `linkt-pipeline query`:\n\n```sql\n{text}\n```"
