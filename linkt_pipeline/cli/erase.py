"""``linkt-pipeline erase``."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.cli.output import echo
from linkt_pipeline.errors import ConfigError

if TYPE_CHECKING:
    from linkt_pipeline.assets.erasure import Erased
    from linkt_pipeline.warehouse.erasure import Target


@click.command("erase")
@click.option("--email", metavar="ADDRESS", help="The person with this address, and the address everywhere else.")
@click.option("--entity", metavar="ID", help="This person or company, and a person's own addresses.")
@click.option("--domain", metavar="DOMAIN", help="The company with this website, its people, and all addresses there.")
@click.option("--inactive", is_flag=True, help="People without activity for as long as `retention` in tasks.yaml says.")
@click.option("--yes", is_flag=True, help="Don't ask.")
def erase(email: str | None, entity: str | None, domain: str | None, inactive: bool, yes: bool) -> int:
    """Remove a person, a company or a domain from every table, version, file and log here, and keep it out.

    First the command shows what it would remove, and asks. Then it removes the entities with their versions, the
    signals that speak of them, and the words everywhere else. It builds the models, writes the warehouse into a new
    file and publishes it. Rows that land later are compared with a keyed hash, so nothing erased comes back.

    An interrupt, a kill or a full disk loses nothing: the next command goes on. Without an option, the command only
    finishes an erasure that was begun. Linkt keeps its own data, and so does everyone with a copy: docs/erasure.md.

    \b
    Examples:
      linkt-pipeline erase --email ann@acme.com
      linkt-pipeline erase --domain acme.com --yes
      linkt-pipeline erase --inactive              retention in tasks.yaml
    """  # noqa: D301
    given = {"email": email, "entity": entity, "domain": domain}
    asked = {kind: value for kind, value in given.items() if value is not None}
    if len(asked) + inactive > 1:
        raise click.UsageError("give one of --email, --entity, --domain and --inactive")
    deployment = Deployment.from_environment()
    if not deployment.warehouse.exists:
        raise ConfigError(f"there is no warehouse in {deployment.settings.root}, so there is nothing to erase")
    before = deployment.finish_erasures()
    for done in before.values():
        echo("an erasure that was begun before is finished")
        _print(done)
    for kind, value in asked.items():
        return _erase(deployment, kind, value, yes=yes)
    if inactive:
        return _erase_inactive(deployment, yes=yes)
    if not before:
        echo("nothing is left to finish; give --email, --entity, --domain or --inactive to erase")
    return 0


def _erase(deployment: Deployment, kind: str, value: str, *, yes: bool) -> int:
    from linkt_pipeline.ledger.choice import ledger_of
    from linkt_pipeline.warehouse.erasure import Kind, begin_erasure, find_target, preview_removal, removed_by

    values = [value, *_hashed(deployment, kind, value)]
    with deployment.warehouse.read() as con:
        target = find_target(con, Kind(kind), values)
    ledger_of(deployment.warehouse).require_erasable(target.mentions)
    _print_counts("would be removed or changed", preview_removal(deployment.warehouse, target))
    for line in _consequences(deployment, target):
        echo(line)
    if not yes and not _agreed():
        echo("nothing was erased")
        return 1
    erasure_id = begin_erasure(deployment.warehouse, Kind(kind), values)
    done = deployment.finish_erasures().get(erasure_id)
    if done is None:  # another command was faster
        echo("another command has finished it")
        _print_counts("removed or changed", removed_by(deployment.warehouse, erasure_id))
    else:
        _print(done)
    return 0


def _hashed(deployment: Deployment, kind: str, value: str) -> list[str]:
    """What stands for an address where contact data are hashed."""
    from linkt_pipeline.warehouse.landing import hashed_email

    key = deployment.warehouse.contact_key
    return [hashed_email(key, value)] if key and kind == "email" else []


def _erase_inactive(deployment: Deployment, *, yes: bool) -> int:
    from linkt_pipeline.warehouse.erasure.retention import inactive_people, remove_inactive

    keep = deployment.common.retention
    if keep is None:
        raise ConfigError(
            f"{deployment.settings.active_tasks_file} does not say how long people are kept; write for example "
            "retention: {people: 365d}"
        )
    now = datetime.now(UTC)
    with deployment.warehouse.read() as con:
        people = inactive_people(con, now, keep.people)
    echo(f"{len(people):,} people without activity for {keep.people.days} days")
    if not people:
        return 0
    if not yes and not _agreed():
        echo("nothing was erased")
        return 1
    remove_inactive(deployment.warehouse, now, keep.people)
    for done in deployment.finish_erasures().values():
        _print(done)
    return 0


def _agreed() -> bool:
    try:
        return click.confirm("Erase it? This can't be undone", default=False)
    except click.Abort:
        echo()
        return False


def _consequences(deployment: Deployment, target: "Target") -> Iterator[str]:
    people = len(target.entities)
    yield f"{people} {'entity' if people == 1 else 'entities'} will be kept out from now on, by id"
    if words := len(target.emails) + len(target.domains):
        yield f"{words} {'address or domain' if words == 1 else 'addresses and domains'} will be kept out by keyed hash"
    yield "all models, published files and the report are made again; Dagster's history loses all previews of rows"
    file = deployment.settings.active_tasks_file
    if file.is_file() and target.mentions.are_in(file.read_text(encoding="utf-8", errors="replace")):
        yield f"warning: your file {file} mentions it; remove it there, or the next run brings it back"


def _print(done: "Erased") -> None:
    _print_counts("removed or changed", done.removed)
    if done.history:
        echo(f"Dagster's history: {done.history:,} records and files changed")
    echo("the warehouse was written into a new file" + (" and published" if done.published else ""))
    for note in done.notes:
        echo(f"note: {note}", err=True)


def _print_counts(title: str, counts: Mapping[str, int]) -> None:
    echo(f"{title}:")
    for name, rows in counts.items():
        echo(f"  {name:<52}{rows:>10,}")
    if not counts:
        echo("  nothing: no row here is about it")
