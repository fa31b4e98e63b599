"""The data that several marts are recomputed from: read once, and the large tables in pieces."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

from linkt_pipeline.audit.activity import Activity, activity, reached
from linkt_pipeline.audit.budgets import Budget, read_budgets, read_timezone
from linkt_pipeline.audit.domains import first_of_domain
from linkt_pipeline.audit.fields import company_columns
from linkt_pipeline.audit.landed import Body, Landed, pieces
from linkt_pipeline.audit.moments import moment_of
from linkt_pipeline.audit.roots import COMPANY, PERSON, Ties
from linkt_pipeline.audit.runs import Execution, RunFacts, read_executions, read_names, read_runs
from linkt_pipeline.audit.task_names import task_names
from linkt_pipeline.audit.wire import data_of, text


class World:
    """The landed tables by their meaning.

    Kept in memory are the runs without their payloads, and of each entity its ties.

    Args:
        landed: the landed tables.
    """

    def __init__(self, landed: Landed) -> None:
        self.landed = landed

    @cached_property
    def ties(self) -> Ties:
        """Copies, parents and types of all entities."""
        return Ties(self.landed.bodies("entities", "entity_id"))

    @cached_property
    def deleted(self) -> set[str]:
        """The landed entities that Linkt has deleted."""
        return self.landed.deleted("entities", "entity_id")

    @cached_property
    def activity(self) -> Mapping[str, Activity]:
        """People and signals around each company."""
        return activity(self.ties, self.landed.bodies("signals", "signal_id"))

    @cached_property
    def signal_ids(self) -> list[str]:
        """All signals."""
        return self.landed.ids("signals", "signal_id")

    def entities(self, ids: Collection[str]) -> dict[str, Body]:
        """The landed ones of some entities."""
        return {body.id: body for body in self.landed.bodies_of("entities", "entity_id", ids)}

    def signals(self, ids: Collection[str]) -> dict[str, Body]:
        """The landed ones of some signals."""
        return {body.id: body for body in self.landed.bodies_of("signals", "signal_id", ids)}

    def companies(self, ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """The columns that come from the fields of the landed companies among some ids, and their ``icp_id``."""
        wanted = [entity_id for entity_id in ids if self.is_company(entity_id)]
        return {
            entity_id: {**company_columns(data_of(body.body), self.shared_hosts), "icp_id": text(body.body, "icp_id")}
            for entity_id, body in self.entities(wanted).items()
        }

    def is_company(self, entity_id: str | None) -> bool:
        """Whether it is landed, and a company."""
        tie = self.ties.of.get(entity_id) if entity_id else None
        return tie is not None and tie.kind == COMPANY

    @cached_property
    def shared_hosts(self) -> Mapping[str, bool]:
        """Hosts that many companies share, and whether what stands before them is shared too."""
        if not self.landed.columns("seeds", "shared_hosts"):
            return {}
        return dict(self.landed.rows("select host, with_subdomains from seeds.shared_hosts"))

    @cached_property
    def first_of_domain(self) -> Mapping[str, str | None]:
        """The company first seen of each domain; None where that is open."""
        companies = (body for ids in pieces(self.ties.of_kind(COMPANY)) for body in self.entities(ids).values())
        return first_of_domain(companies, self.ties, self.shared_hosts)

    @cached_property
    def icp_names(self) -> Mapping[str, str | None]:
        """Names of the landed ICPs."""
        return {body.id: text(body.body, "name") for body in self.landed.bodies("icps", "icp_id")}

    @cached_property
    def executions(self) -> list[Execution]:
        """The ledger."""
        return read_executions(self.landed)

    @cached_property
    def runs(self) -> list[RunFacts]:
        """All landed runs."""
        return list(read_runs(self.landed, self.executions))

    @cached_property
    def task_names(self) -> Mapping[str, str]:
        """What each Linkt task is called."""
        return task_names(
            {body.id: text(body.body, "name") for body in self.landed.bodies("tasks", "task_id")},
            [(each.task_id, each.task_key) for each in self.executions if each.run_id is not None],
            [run.task_id for run in self.runs if run.task_id] + [each.task_id for each in self.executions],
        )

    @cached_property
    def timezone(self) -> str:
        """Time zone of the deployment."""
        return read_timezone(self.landed)

    @cached_property
    def budgets(self) -> Mapping[str, Budget]:
        """Zone and limit of each Linkt task that has an entry in tasks.yaml, by its id in lower case."""
        return read_budgets(self.landed, self.timezone)

    def zone_of(self, task_id: str | None) -> str:
        """The time zone of a task's days and months."""
        budget = self.budgets.get((task_id or "").lower())
        return budget.timezone if budget else self.timezone

    @cached_property
    def as_of(self) -> int | None:
        """When signals or runs were last landed."""
        [(moment,)] = self.landed.rows(
            "select max(moment) from (select max(epoch_us(fetched_at)) as moment from linkt.signals "
            "union all select max(epoch_us(fetched_at)) from linkt.runs)"
        )
        return None if moment is None else int(moment)

    @cached_property
    def people_of(self) -> Mapping[str, list[str]]:
        """The people of each company, copies of a person included."""
        found: dict[str, list[str]] = defaultdict(list)
        for person_id in self.ties.of_kind(PERSON):
            if company := self.ties.company_of(person_id):
                found[company].append(person_id)
        return found

    @cached_property
    def copies_of(self) -> Mapping[str, list[str]]:
        """The copies of each company that has any, in order."""
        found: dict[str, list[str]] = defaultdict(list)
        for company_id in self.ties.of_kind(COMPANY):
            if (root := self.ties.root_of(company_id)) != company_id:
                found[root].append(company_id)
        return found

    @cached_property
    def signals_of(self) -> Mapping[str, list[tuple[int | None, str]]]:
        """The signals that reach each company: when they were noticed, and their ids."""
        found: dict[str, list[tuple[int | None, str]]] = defaultdict(list)
        for signal in self.landed.bodies("signals", "signal_id"):
            for company in reached(self.ties, signal):
                found[company].append((moment_of(signal.body.get("created_at")), signal.id))
        return found

    @cached_property
    def first_runs(self) -> Mapping[str, RunFacts]:
        """The run that first named each entity."""
        found: dict[str, RunFacts] = {}
        for ids in pieces(self.run_of):
            for run_id, names in read_names(self.landed, ids).items():
                run = self.run_of[run_id]
                for kind, _, entity_id in names:
                    known = found.get(entity_id)
                    if kind == "entity" and (known is None or _place(run) < _place(known)):
                        found[entity_id] = run
        return found

    @cached_property
    def run_of(self) -> Mapping[str, RunFacts]:
        """All landed runs by id."""
        return {run.run_id: run for run in self.runs}

    def table(self, schema: str, name: str) -> list[dict[str, Any]]:
        """The rows of a small table; none where there is no such table."""
        columns = list(self.landed.columns(schema, name))
        rows = self.landed.rows(f"from {schema}.{name}") if columns else []
        return [dict(zip(columns, row, strict=True)) for row in rows]

    def task_of(self, run: RunFacts) -> str:
        """The name of a run's task. For a run without a task: the kind of task, in a form that no task name has."""
        if run.task_id is not None:
            return self.task_names[run.task_id]
        if run.task_type is None:
            return "unknown"
        return f"{run.task_type} (no task)" if run.task_type in self.task_names.values() else run.task_type


def _place(run: RunFacts) -> tuple[int, str]:
    return run.spent_at, run.run_id


def moment(body: Body, key: str) -> int | None:
    """A time of a payload, in microseconds."""
    return moment_of(body.body.get(key))
