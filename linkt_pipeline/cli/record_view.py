"""A record of a CRM on screen and as JSON."""

from linkt_pipeline.cli.output import echo, make_console, print_table, show
from linkt_pipeline.cli.query_output import as_json
from linkt_pipeline.cli.record import Record, Row
from linkt_pipeline.display import escape_json


def print_record_json(record: Record) -> None:
    """The record as one JSON object: times in ISO 8601, payloads and metadata as Linkt sent them."""
    document = {
        "external_id": record.external_id,
        "source": record.source,
        "accounts": record.accounts,
        "entities": record.entities,
        "signals": record.signals,
    }
    echo(escape_json(as_json(document)), longest=None)


def print_record(record: Record, most: int) -> None:
    """A line or two for each account, then its entities and signals.

    Args:
        record: what is known.
        most: rows that each table shows.
    """
    for account in record.accounts:
        _print_account(account)
    console = make_console()
    entities = ("type", "name", "title", "email", "phone", "ICP", "status", "changed", "entity id")
    print_table(console, "Entities", entities, map(_entity_line, record.entities[:most]))
    _tell_more(len(record.entities), most)
    if not record.signals:
        echo("no signals")
        return
    signals = ("noticed", "signal", "strength", "summary", "signal id")
    print_table(console, "Signals", signals, map(_signal_line, record.signals[:most]))
    _tell_more(len(record.signals), most)


def _print_account(account: Row) -> None:
    name = show(account["company_name"]) or "no company"
    echo(f"{account['external_source']} {account['external_id']}: {name}" + _in_brackets(account["company_domain"]))
    echo(f"  priority   {account['priority']}")
    echo(f"  companies  {account['company_count']}" + _in_brackets(account["icp_names"]))
    reached = f"{account['people_with_contact']} with contact data"
    echo(f"  people     {account['people_count']}, {reached}")
    recent = f"{account['signals_30_days']} in the last 30 days"
    newest = f", newest {show(account['latest_signal_at'])} UTC" if account["latest_signal_at"] else ""
    echo(f"  signals    {account['signal_count']}, {recent}{newest}")


def _in_brackets(text: str | None) -> str:
    return f" ({text})" if text else ""


def _entity_line(row: Row) -> tuple[object, ...]:
    return (
        row["entity_type"], row["name"], row.get("title"), row.get("email"), row.get("mobile_phone"),
        row.get("icp_name") or row["icp_id"], row["status"], row["updated_at"], row["entity_id"],
    )  # fmt: skip


def _signal_line(row: Row) -> tuple[object, ...]:
    strength = row["strength_level"] if "strength_level" in row else row["strength"]
    return row["detected_at"], row["signal_label"], strength, row["summary"], row["signal_id"]


def _tell_more(found: int, most: int) -> None:
    if found > most:
        echo(f"{most} of {found} shown; --rows N shows more, --json all")
