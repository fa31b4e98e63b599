"""``linkt-pipeline lookup``."""

import click

from linkt_pipeline.cli.deployment import Deployment
from linkt_pipeline.errors import LinktPipelineError


class NothingFoundError(LinktPipelineError):
    """Nothing carries the external id that was given."""


@click.command("lookup")
@click.argument("external_id")
@click.option(
    "--source",
    metavar="NAME",
    help="System that owns the id, such as salesforce. Default: any; with --live Linkt's own default, salesforce.",
)
@click.option(
    "--live", is_flag=True, help="Ask Linkt instead of the published snapshot; with signals of 90 days. Free."
)
@click.option("--json", "as_json", is_flag=True, help="Everything as one JSON object, for scripts.")
@click.option("--rows", type=click.IntRange(1), default=50, show_default=True, help="Most rows that a table shows.")
def lookup(external_id: str, source: str | None, live: bool, as_json: bool, rows: int) -> None:
    """Show what is known of a record of your CRM by its id there, over all ICPs.

    Shows its row in marts.crm_accounts, the companies and people that carry the id or belong to those that do, and
    their signals, all from the published snapshot. Exits with 1 if nothing carries the id.

    \b
    Examples:
      linkt-pipeline lookup 0015g00000AbCdEAAZ
      linkt-pipeline lookup 20417788123 --source hubspot --json
      linkt-pipeline lookup 0015g00000AbCdEAAZ --live
    """  # noqa: D301
    from linkt_pipeline.cli.record_view import print_record, print_record_json
    from linkt_pipeline.plain_text import trimmed

    wanted, source = trimmed(external_id), trimmed(source)
    if wanted is None:
        raise click.UsageError("EXTERNAL_ID is empty")
    deployment = Deployment.from_environment(quiet=as_json)
    if live:
        from linkt_pipeline.cli.live_record import ask_for_record

        record = deployment.ask_api(lambda client: ask_for_record(client, wanted, source))
    else:
        from linkt_pipeline.cli.record import read_record
        from linkt_pipeline.warehouse.publish.reader import open_snapshot

        with open_snapshot(deployment.settings.snapshot_path) as con:
            record = read_record(con, wanted, source)
    if not record.entities:
        raise NothingFoundError(_nothing(wanted, source, live=live))
    if as_json:
        print_record_json(record)
    else:
        print_record(record, rows)


def _nothing(external_id: str, source: str | None, *, live: bool) -> str:
    if live:
        hint = "" if source else "; name another system with --source"
        return f"Linkt knows nothing with the external id {external_id!r} of {source or 'salesforce'}{hint}"
    owner = f" of {source}" if source else ""
    return f"nothing that is published carries the external id {external_id!r}{owner}; --live asks Linkt"
