"""Takes words that are erased out of a ledger that is not in the warehouse, where an erasure searches every table."""

import orjson

from linkt_pipeline.ledger.claims import CLAIMS
from linkt_pipeline.ledger.rows import Changes, LedgerRows
from linkt_pipeline.ledger.values import Execution
from linkt_pipeline.warehouse.erasure import StillNeededError
from linkt_pipeline.warehouse.tombstones import Mentions


def erase_words(rows: LedgerRows, mentions: Mentions) -> int:
    """Replace the words in all executions. A second call finds nothing left to do.

    Returns:
        How many executions held one.

    Raises:
        StillNeededError: an execution that is open or owed was started with them; the transaction must not be
            committed. Without its parameters the run could be bought twice.
    """
    rows.hold(CLAIMS)  # nothing is started with them meanwhile
    found = require_erasable(rows, mentions)
    for execution_id, changes in found.items():
        rows.change(execution_id, changes)
    return len(found)


def require_erasable(rows: LedgerRows, mentions: Mentions) -> dict[str, Changes]:
    """What :func:`erase_words` would change, by execution.

    Raises:
        StillNeededError: see there.
    """
    unpublished = {execution_id for execution_id, owed in rows.owed().items() if owed.published_at is None}
    found = {row.execution_id: (row, changes) for row in rows.executions() if (changes := _without(row, mentions))}
    for row, changes in found.values():
        if "parameters" in changes and (row.state.is_open or row.execution_id in unpublished):
            raise StillNeededError(row.execution_id, row.task_key)
    return {execution_id: changes for execution_id, (_, changes) in found.items()}


def _without(row: Execution, mentions: Mentions) -> Changes:
    changes: Changes = {}
    parameters = orjson.dumps(dict(row.parameters)).decode()
    if mentions.are_in(parameters):
        changes["parameters"] = mentions.erased_from_json(parameters)
    if row.last_error is not None and mentions.are_in(row.last_error):
        changes["last_error"] = mentions.erased_from(row.last_error)
    if row.over_budget_by is not None and mentions.are_in(row.over_budget_by):
        changes["over_budget_by"] = mentions.erased_from(row.over_budget_by)
    return changes
