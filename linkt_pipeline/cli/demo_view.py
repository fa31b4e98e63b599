"""What the demo found, read from the published snapshot as a BI tool would."""

import sys
from pathlib import Path
from shutil import which
from typing import NamedTuple

from linkt_pipeline.cli.output import echo, make_console, print_table
from linkt_pipeline.settings import Settings, load_settings
from linkt_pipeline.warehouse.publish.reader import open_snapshot


class _Finding(NamedTuple):
    title: str
    columns: tuple[str, ...]
    numbers: tuple[str, ...]
    sql: str


_FINDINGS = (
    _Finding(
        "Credits by task and action, this run and all before",
        ("task", "action", "credits", "runs"),
        ("credits", "runs"),
        """
        select task, action_type, sum(credits), sum(runs)::bigint
        from marts.credits_daily group by task, action_type order by task, sum(credits) desc
        """,
    ),
    _Finding(
        "Companies, newest signal first",
        ("company", "industry", "city", "people", "signals", "contact"),
        ("people", "signals"),
        """
        select company.name, company.industry, company.city, company.people_count, company.signal_count,
            (
                select min(person.name || coalesce(', ' || person.title, ''))
                from marts.people as person where person.company_root_id = company.entity_id
            )
        from marts.companies as company
        where company.entity_id = company.root_entity_id
        order by company.latest_signal_at desc nulls last, company.people_count desc, company.name
        limit 8
        """,
    ),
    _Finding(
        "Latest signals",
        ("detected (UTC)", "type", "strength", "what happened"),
        (),
        """
        select detected_at, signal_label, strength_level, summary
        from marts.signal_feed order by detected_at desc, signal_id limit 6
        """,
    ),
    _Finding(
        "What later runs changed in what earlier ones found",
        ("company or person", "field", "before", "now"),
        (),
        """
        select coalesce(entity.name, change.entity_id), change.field,
            change.old_value ->> '$', change.new_value ->> '$'
        from marts.entity_changes as change
        left join (
            select entity_id, name from marts.companies union all select entity_id, name from marts.people
        ) as entity on change.entity_id = entity.entity_id
        where change.change = 'changed' and json_type(change.new_value) != 'OBJECT'
        order by change.changed_at desc, change.entity_id, change.field
        limit 5
        """,
    ),
    _Finding(
        "Runs so far",
        ("task", "runs", "new", "updated", "signals", "credits"),
        ("runs", "new", "updated", "signals", "credits"),
        """
        select task, count(*), sum(entities_created)::bigint, sum(entities_updated)::bigint,
            sum(signals_created)::bigint, sum(credits)
        from marts.run_history group by task order by task
        """,
    ),
)


def print_findings(settings: Settings, warehouse: str) -> None:
    """Tables of what was found, where it is, and how to look further.

    Args:
        settings: of the deployment.
        warehouse: where its warehouse is.
    """
    console = make_console()
    with open_snapshot(settings.snapshot_path) as con:
        for finding in _FINDINGS:
            rows = con.execute(finding.sql).fetchall()
            if not rows:  # the first demo has no history yet
                continue
            print_table(console, finding.title, finding.columns, rows, right=finding.numbers, wrapped={"what happened"})
    echo(_where_to_look(settings, warehouse))


def _where_to_look(settings: Settings, warehouse: str) -> str:
    lines = [
        "",
        f"Warehouse      {_short(warehouse)}",
        f"For BI tools   {_short(settings.snapshot_path)} and Parquet files beside it (always readable)",
    ]
    if not load_settings().sandbox:
        # Here `query` and `ui` show the real deployment, so the demo's rows need another way in.
        return "\n".join([*lines, "Look further   open that file in DuckDB; `query` and `ui` show your own deployment"])
    me = _how_to_call()
    return "\n".join(
        [
            *lines,
            f"Look further   {me} ui                                   the same run in Dagster",
            f'               {me} query "from marts.people limit 5"    any question in SQL',
            f"               {me} demo                                 once more: history grows",
            f"Go live        set LINKT_API_KEY, then: {me} tasks pull",
        ]
    )


def _how_to_call() -> str:
    """The command as it can be typed here: `make demo` calls it in an environment that is not activated."""
    called = Path(sys.argv[0])
    if which(called.name) or not called.is_file() or called.suffix:
        return "linkt-pipeline"
    return _short(called.absolute())


def _short(place: Path | str) -> str:
    """A path relative to where the user stands, if it is below; any other text as it is."""
    path, here = Path(place), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(place)
