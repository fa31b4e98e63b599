"""The texts of alerts: what happened, in figures, ids and names, and what to do about it. Never a row's content."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from linkt_pipeline.display import shown
from linkt_pipeline.tasks import AlertEvent

_LONGEST_TITLE = 150
_LONGEST_TEXT = 1_500
_SHOWN_MARTS = 10
_EMAIL = re.compile(r"[\w.+'’-]{1,64}(?:[@＠]|%40)[\w-]{1,63}(?:\.[\w-]{1,63})+")
_PHONE = re.compile(r"\+\d[\d ()./-]{6,20}\d|(?<!\w)00[1-9][\d ()./-]{6,17}\d(?!\w)")  # shorter than an id of digits
_PLURALS = {"entity": "entities", "signal": "signals", "run": "runs", "task": "tasks", "icp": "ICPs", "sheet": "sheets"}


@dataclass(frozen=True)
class Due:
    """An alert as the outbox has it, with what is known about it now.

    Attributes:
        key: its key.
        event: its kind.
        facts: what was written down, and figures of now.
        task_key: the task in tasks.yaml that it is about.
        run_id: the Linkt run that it is about.
        dagster_run_id: the Dagster run that shows more of it.
        happened_at: when it was written down, in UTC.
        is_over: what it reports is so no more: it was settled while the alert waited.
    """

    key: str
    event: AlertEvent
    facts: Mapping[str, Any]
    task_key: str | None
    run_id: str | None
    dagster_run_id: str | None
    happened_at: datetime
    is_over: bool = False

    @property
    def of_task(self) -> str:
        """`` of task NAME``, or nothing."""
        return f" of task {self.task_key}" if self.task_key else ""


def text_of(alert: Due, dagster_url: str | None = None) -> tuple[str, str]:
    """Title and text of an alert.

    Args:
        alert: what happened.
        dagster_url: address of Dagster's web server, for a link to the Dagster run.
    """
    title, lines = _TEXTS[alert.event](alert)
    if alert.is_over:
        title, lines = f"Over: {title}", [lines[0], "It is over since: nothing is left to do."]
    lines = [*lines, f"At {alert.happened_at:%Y-%m-%d %H:%M} UTC."]
    if dagster_url and alert.dagster_run_id:
        lines.append(f"Dagster run: {dagster_url}/runs/{alert.dagster_run_id}")
    return _clean(title, _LONGEST_TITLE), _clean("\n".join(lines), _LONGEST_TEXT)


def _clean(text: str, longest: int) -> str:
    """Clean a name from tasks.yaml, a SQL file or Linkt: it must carry no secret and no way to reach a person."""
    return shown(_PHONE.sub("[phone]", _EMAIL.sub("[e-mail]", text)), longest)


def _figure(credits: float) -> str:
    """All digits of a whole number, and two decimals of any other."""
    return f"{credits:.2f}".rstrip("0").rstrip(".")


def _run_failed(alert: Due) -> tuple[str, list[str]]:
    facts = alert.facts
    spent = facts.get("credits")
    cost = "an unknown number of credits" if spent is None else f"{_figure(spent)} credits"
    return (
        f"Linkt run{alert.of_task} ended {facts['status']}: {facts['kind']}",
        [
            f"Run {alert.run_id}{alert.of_task} ended {facts['status']} ({facts['kind']}); it cost {cost}.",
            f"What to do: {facts['advice']}",
        ],
    )


def _rejected(alert: Due) -> tuple[str, list[str]]:
    kind, rejects = alert.facts["resource_type"], int(alert.facts["rejects"])
    counted = f"{rejects} {kind if rejects == 1 and kind != 'icp' else _PLURALS.get(kind, kind)}"
    source = f" of run {alert.run_id}{alert.of_task}" if alert.run_id and kind in ("entity", "signal") else ""
    return (
        f"Linkt sent {counted} that can't be used",
        [
            f"{counted}{source} can't be used and {'is' if rejects == 1 else 'are'} kept in linkt.rejects.",
            "What to do: `linkt-pipeline status` shows the reasons, `linkt-pipeline sync --retry-missing` asks again.",
        ],
    )


def _unclear_start(alert: Due) -> tuple[str, list[str]]:
    return (
        f"A start{alert.of_task} needs a decision",
        [
            f"The reply to a start{alert.of_task} does not say which run it made.",
            "Nothing is started for the task until a person decides. What to do: "
            f"`linkt-pipeline run {alert.task_key}` lists the runs that it could be, `linkt-pipeline adopt "
            f"{alert.task_key} RUN_ID` names one, `linkt-pipeline adopt {alert.task_key} --none` none of them.",
        ],
    )


def _credit_limit(alert: Due) -> tuple[str, list[str]]:
    facts = alert.facts
    whose = f"task {alert.task_key}" if alert.task_key else "all tasks together"
    estimated = f", {_figure(facts['estimated'])} of them estimated" if facts["estimated"] else ""
    refused = (
        "No new run is started this month. What to do: raise the limit in tasks.yaml, or wait for the next month."
        if facts["percent"] >= 100
        else "What to do: `linkt-pipeline status` shows what was spent, and by which task."
    )
    return (
        f"{facts['percent']} % of the month's credits of {whose} are spent",
        [
            f"{_figure(facts['credits'])} of {_figure(facts['limit'])} credits (monthly_credit_limit) of {whose} are "
            f"spent in {facts['month']}{estimated}.",
            refused,
        ],
    )


def _check_failed(alert: Due) -> tuple[str, list[str]]:
    offending = alert.facts["offending"]
    found = f"{offending} offending row{'s' if offending != 1 else ''}" if offending else "it could not be run"
    return (
        f"Check failed: {alert.facts['check']}",
        [
            f"The check {alert.facts['check']} has turned red ({found}).",
            "Nothing is published while it is red. "
            "What to do: `linkt-pipeline ui` shows the rows at the asset's checks; docs/operations.md says what to do.",
        ],
    )


def _stale(alert: Due) -> tuple[str, list[str]]:
    marts = [name for name, _ in alert.facts["marts"]]
    more = f" and {len(marts) - _SHOWN_MARTS} more" if len(marts) > _SHOWN_MARTS else ""
    return (
        f"{marts[0]} is stale" if len(marts) == 1 else f"{len(marts)} marts are stale",
        [
            f"These can't be built and stay as last built: {', '.join(marts[:_SHOWN_MARTS])}{more}.",
            "What to do: `linkt-pipeline models --check` names the file and the mistake.",
        ],
    )


def _fields(alert: Due) -> tuple[str, list[str]]:
    facts = alert.facts
    where = f"{facts['entity_type'] or 'entities'} in sheet {facts['sheet'] or 'without a name'}"
    lines = [
        f"{change} of {where}: {', '.join(fields)}."
        for change, fields in (("New fields", facts["new"]), ("Fields that no entity has any more", facts["vanished"]))
        if fields
    ]
    return f"The fields of {where} have changed", lines


_TEXTS: Mapping[AlertEvent, Callable[[Due], tuple[str, list[str]]]] = {
    AlertEvent.RUN_FAILED: _run_failed,
    AlertEvent.REJECTED: _rejected,
    AlertEvent.UNCLEAR_START: _unclear_start,
    AlertEvent.CREDIT_LIMIT: _credit_limit,
    AlertEvent.CHECK_FAILED: _check_failed,
    AlertEvent.STALE: _stale,
    AlertEvent.FIELDS: _fields,
}
