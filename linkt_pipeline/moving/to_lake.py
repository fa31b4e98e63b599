"""From a warehouse file to a lake.

What each side's commands see after a kill, in the order of the steps:

1. The lake is marked as incoming, and filled: the file is used, the lake refuses. The move begins anew.
2. The place of the file is marked, then the lake as proven: the same, because the file is still there.
3. The file is set aside: both refuse. The move takes the last step.
4. The lake's mark is gone: the lake is used, the file's place refuses.
"""

import uuid
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from linkt_pipeline.access.request_budget import RequestBudget, budget_file
from linkt_pipeline.access.request_shares import note_spent
from linkt_pipeline.ledger.moving import (
    LedgerCopy,
    count_of,
    hold_ledger,
    leases_of,
    open_executions,
    read_from_file,
    read_from_postgres,
    write_to_postgres,
)
from linkt_pipeline.moving.sides import (
    move_transaction,
    note_elsewhere,
    require_one_clock,
    require_rest,
    rows_of_users,
    taken_lake,
    why_not_in_use,
)
from linkt_pipeline.moving.values import Moved, MoveRefusedError
from linkt_pipeline.warehouse.catalog import literal
from linkt_pipeline.warehouse.engines.comparison import MoveDiffersError, TableProof, compare
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.engines.file_mark import FileMark, has_file, read_mark, write_mark
from linkt_pipeline.warehouse.engines.lake.creation import make_lake, require_no_files
from linkt_pipeline.warehouse.engines.lake.elsewhere import MoveState, elsewhere_error
from linkt_pipeline.warehouse.engines.lake.filling import (
    OF_THE_LEDGER,
    attach_file,
    fill_lake,
    require_plain,
)
from linkt_pipeline.warehouse.engines.lake.taken import TakenLake
from linkt_pipeline.warehouse.engines.lake.warehouse import LakeWarehouse
from linkt_pipeline.warehouse.engines.replacement import Replacement
from linkt_pipeline.warehouse.running_duckdb import CATALOG, start_duckdb
from linkt_pipeline.warehouse.state import note_change


def move_to_lake(file: FileWarehouse, lake: LakeWarehouse) -> Moved:
    """Move a warehouse file with its ledger into a lake, and set the file aside.

    Args:
        file: the source, which is in use until all of it is proven to be in the lake.
        lake: the target: never used, left, half filled by a move that was killed, or without a row.

    Raises:
        MoveRefusedError: there is no file, the lake holds rows, or something runs.
        MoveDiffersError: what arrived differs.
        NotForALakeError: the file holds what a lake can't hold.
        WarehouseMovedError: another move into this lake is not finished.
        WarehouseError: one of the two can't be used now.
    """
    if not has_file(file.path):
        return _finish(file, lake)
    with file.replaceable() as replacement, closing(start_duckdb(replacement.workspace / "spill")) as source:
        # Open until the end: to close it would end this process's lock of the file.
        source.execute(f"attach {literal(str(file.path))} as {CATALOG} (read_only); use {CATALOG}")
        ledger = read_from_file(source, CATALOG)
        require_rest(source, leases_of(ledger), datetime.now(UTC))
        require_plain(source)
        with taken_lake(lake) as taken:
            return _move(file, lake, taken, replacement, ledger)


def _move(
    file: FileWarehouse, lake: LakeWarehouse, taken: TakenLake, replacement: Replacement, ledger: LedgerCopy
) -> Moved:
    now, move_id = require_one_clock(taken.postgres), uuid.uuid4().hex
    _make_room(file, lake, taken, move_id)
    make_lake(taken.engine)
    with taken.connected() as con:
        attach_file(con, file.path, read_only=True)
        views, others, proofs = _fill(taken, con)
        spent = RequestBudget(budget_file(file.folder)).spent()
        # First, because the mark tells that what is proven came from here.
        write_mark(file.path, FileMark.at(now, move_id, lake.place, is_coming=False))
        with move_transaction(lake, taken.postgres, move_id):
            write_to_postgres(taken.postgres, ledger)
            if read_from_postgres(taken.postgres) != ledger:
                raise MoveDiffersError("the ledger")
            note_spent(taken.postgres, spent)
            note_elsewhere(taken.postgres, MoveState.PROVEN, move_id, file.path)
        aside = _set_aside(file.path, replacement, now)
        _use(lake, taken, move_id)
    return Moved(True, proofs, count_of(ledger), open_executions(ledger), views, others, aside)


def _fill(taken: TakenLake, con: duckdb.DuckDBPyConnection) -> tuple[list[str], list[str], list[TableProof]]:
    left_out = fill_lake(taken, con)
    proofs = compare(con, without_views=left_out, without_rows_of=OF_THE_LEDGER)
    models = {model for (model,) in con.execute("select model from linkt.model_builds").fetchall()}
    with taken.transaction(con):
        note_change(con)  # so that the next sync builds what was left out, and publishes from the lake
    return [view for view in left_out if view in models], [view for view in left_out if view not in models], proofs


def _make_room(file: FileWarehouse, lake: LakeWarehouse, taken: TakenLake, move_id: str) -> None:
    """Take the lake out of use, and everything out of it, unless it holds rows that are in use.

    Raises:
        MoveRefusedError: it does.
        LakeFilesOfOthersError: the files are to lie where another lake has its own.
        WarehouseMovedError: a move from or to another file is between its two steps.
    """
    found, mark = why_not_in_use(lake, taken), read_mark(file.path)
    is_between = found is not None and found.state in (MoveState.PROVEN, MoveState.LEAVING)
    # Its id tells whose move it was: a container has another host name at each start.
    if found is not None and is_between and (mark is None or mark.move_id != found.move_id):
        raise elsewhere_error(lake.place, found)
    known = taken.data_path
    # A lake that was emptied by a move that was killed has left files of its own there.
    if known != taken.place.data_path and (known is not None or found is None):
        require_no_files(taken.place)
    with move_transaction(lake, taken.postgres, move_id):
        if found is None:
            hold_ledger(taken.postgres)
            if held := rows_of_users(taken):
                raise MoveRefusedError(
                    f"{lake.place} is not empty: it holds rows of {held}. Nothing was moved. Choose a database and a "
                    "folder that no deployment uses"
                )
        note_elsewhere(taken.postgres, MoveState.INCOMING, move_id, file.path)
        taken.forget()


def _set_aside(path: Path, replacement: Replacement, now: datetime) -> Path:
    aside = path.with_name(f"{path.stem}.moved-{now:%Y%m%dT%H%M%SZ}{path.suffix}")
    replacement.set_aside(aside)
    return aside


def _finish(file: FileWarehouse, lake: LakeWarehouse) -> Moved:
    """The rest of a move whose file is set aside, if there was one."""
    mark = read_mark(file.path)
    with taken_lake(lake) as taken:
        found = why_not_in_use(lake, taken)
        if found is None and taken.is_made:
            return Moved(is_new=False)
        if found is None:
            raise MoveRefusedError(f"there is no warehouse to move: {file.path} does not exist")
        if found.state is MoveState.PROVEN and mark is not None and mark.move_id == found.move_id:
            _use(lake, taken, found.move_id)
            return Moved(is_new=True)
        raise elsewhere_error(lake.place, found)


def _use(lake: LakeWarehouse, taken: TakenLake, move_id: str) -> None:
    with move_transaction(lake, taken.postgres, move_id):
        taken.postgres.execute("delete from elsewhere")
