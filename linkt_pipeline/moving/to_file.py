"""From a lake to a warehouse file.

What each side's commands see after a kill, in the order of the steps:

1. The place of the file is marked, and the file is written beside it: the lake is used, the place refuses. The move
   begins anew.
2. The lake is marked as leaving: both refuse. The move takes the rest of the steps.
3. The file is in its place: it is used, the lake refuses.
4. The lake is marked as left: the same, and another warehouse may take its place.

The ledger is held by the transaction that leaves the lake. So a mover that is killed, or loses its connection, leaves
the lake in use at once.
"""

import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from linkt_pipeline.access.request_budget import RequestBudget, budget_file
from linkt_pipeline.access.request_shares import spent_shares
from linkt_pipeline.ledger.moving import (
    RELATIONS,
    count_of,
    hold_ledger,
    leases_of,
    open_executions,
    read_from_file,
    read_from_postgres,
    write_to_file,
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
from linkt_pipeline.permissions import make_private_folder
from linkt_pipeline.warehouse.duckdb_errors import unwritable_error
from linkt_pipeline.warehouse.engines.comparison import MOVED, MoveDiffersError, compare
from linkt_pipeline.warehouse.engines.file import FileWarehouse
from linkt_pipeline.warehouse.engines.file_mark import (
    FileMark,
    coming_file,
    has_file,
    read_mark,
    remove_mark,
    write_mark,
)
from linkt_pipeline.warehouse.engines.lake.copying import copy_lake
from linkt_pipeline.warehouse.engines.lake.creation import bring_up_to_date
from linkt_pipeline.warehouse.engines.lake.elsewhere import Elsewhere, MoveState, elsewhere_error
from linkt_pipeline.warehouse.engines.lake.filling import attach_file
from linkt_pipeline.warehouse.engines.lake.shared_folder import require_folder
from linkt_pipeline.warehouse.engines.lake.taken import TakenLake
from linkt_pipeline.warehouse.engines.lake.warehouse import LakeWarehouse
from linkt_pipeline.warehouse.files import free_to_replace, move_into_place
from linkt_pipeline.warehouse.migration import needs_migration


def move_to_file(file: FileWarehouse, lake: LakeWarehouse) -> Moved:
    """Move a lake with its ledger into a warehouse file, and leave the lake, which refuses everybody from then on.

    Args:
        file: the target, which does not exist.
        lake: the source, which is in use until all of it is proven to be in the file.

    Raises:
        MoveRefusedError: there is no lake, there is a file, or something runs.
        MoveDiffersError: what arrived differs.
        WarehouseMovedError: the lake was left, or a move into it is not finished.
        WarehouseUnwritableError: the disk has no room for the file.
        WarehouseError: one of the two can't be used now.
    """
    with taken_lake(lake) as taken:
        found = why_not_in_use(lake, taken)
        if has_file(file.path):
            if found is None and taken.is_made and (held := rows_of_users(taken)):
                raise MoveRefusedError(
                    f"both hold a warehouse: {file.path}, and {lake.place} has rows of {held}. Nothing was moved. "
                    "Find out which of them is in use, and rename the file if it is not"
                )
            if found is not None and _is_leaving_for(file.path, found):
                _end(file.path, lake, taken, found.move_id)
            remove_mark(file.path)
            return Moved(is_new=False)
        if found is not None:
            if _is_leaving_for(file.path, found) and coming_file(file.path).exists():
                _use(file.path)
                _end(file.path, lake, taken, found.move_id)
                return Moved(is_new=True)
            raise elsewhere_error(lake.place, found)
        if not taken.is_made:
            raise MoveRefusedError(f"there is no lake to move: nobody has used {lake.place}")
        require_folder(taken.place)
        try:
            return _move(file, lake, taken)
        except (duckdb.Error, OSError) as error:
            better = unwritable_error(error, file.path)
            if better is None:
                raise
            raise better from error


def _move(file: FileWarehouse, lake: LakeWarehouse, taken: TakenLake) -> Moved:
    move_id = uuid.uuid4().hex
    prepared = _prepare_place(file.path, lake.place, move_id)
    try:
        with move_transaction(lake, taken.postgres, move_id):
            hold_ledger(taken.postgres)
            now, ledger = require_one_clock(taken.postgres), read_from_postgres(taken.postgres)
            with taken.connected() as con:
                if needs_migration(con, lake.place):
                    bring_up_to_date(con, taken.transaction)
                require_rest(con, leases_of(ledger), now)
                copy_lake(con, prepared)
                attach_file(con, prepared, read_only=False)
                write_to_file(con, MOVED, ledger)
                if read_from_file(con, MOVED) != ledger:
                    raise MoveDiffersError("the ledger")
                proofs = compare(con, without_rows_of=RELATIONS)
                con.execute(f"checkpoint {MOVED}; detach {MOVED}")
            RequestBudget(budget_file(file.folder)).note_spent(spent_shares(taken.postgres))
            note_elsewhere(taken.postgres, MoveState.LEAVING, move_id, file.path)
    except Exception:
        if not _may_be_left(lake, taken, move_id):
            shutil.rmtree(prepared.parent, ignore_errors=True)
        raise
    _use(file.path)
    _end(file.path, lake, taken, move_id)
    return Moved(True, proofs, count_of(ledger), open_executions(ledger))


def _may_be_left(lake: LakeWarehouse, taken: TakenLake, move_id: str) -> bool:
    """Whether the lake may have been left by this move: the answer to a commit can be lost."""
    try:
        found = why_not_in_use(lake, taken)
    except Exception:
        return True
    return found is not None and found.move_id == move_id


def _prepare_place(path: Path, lake: str, move_id: str) -> Path:
    """Mark the place of the file, so that nobody makes one there. Returns where to write it."""
    prepared = coming_file(path)
    make_private_folder(path.parent)
    with free_to_replace(path.parent):
        _require_place(path)
        write_mark(path, FileMark.at(datetime.now(UTC), move_id, lake, is_coming=True))
    shutil.rmtree(prepared.parent, ignore_errors=True)
    prepared.parent.mkdir(mode=0o700)
    return prepared


def _is_leaving_for(path: Path, found: Elsewhere) -> bool:
    mark = read_mark(path)
    return found.state is MoveState.LEAVING and mark is not None and mark.move_id == found.move_id


def _use(path: Path) -> None:
    with free_to_replace(path.parent):
        if has_file(path) and not coming_file(path).exists():
            return  # another process has taken this step, while this one was suspended
        _require_place(path)
        move_into_place(coming_file(path), path)
        shutil.rmtree(coming_file(path).parent, ignore_errors=True)


def _end(path: Path, lake: LakeWarehouse, taken: TakenLake, move_id: str) -> None:
    with move_transaction(lake, taken.postgres, move_id):
        note_elsewhere(taken.postgres, MoveState.LEFT, move_id, path)
    remove_mark(path)


def _require_place(path: Path) -> None:
    if has_file(path):
        raise MoveRefusedError(f"{path} was made meanwhile, so nothing was moved there; rename it, then run this again")
    log = path.with_name(f"{path.name}.wal")
    if log.exists():
        raise MoveRefusedError(
            f"{log} is the log of a file that is not there any more, and DuckDB would put what it holds into the file "
            "that comes, so nothing was moved. Name it as its file is named now, with .wal at the end, or delete it"
        )
