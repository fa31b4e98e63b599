"""Whose key is it? To a key of another organization, Linkt shows nothing of ours.

It answers 404 then, as for a deleted row. If that counted, ids would be settled as missing, runs that are still going
would be forgotten, and the runs of strangers would be landed. So the key must show one run that this warehouse knows
before a 404 counts, and before a run is landed that the warehouse does not know.
"""

import asyncio

from linkt_pipeline.api import LinktClient, MalformedBodyError, NotFoundError, PermissionDeniedError, same_id
from linkt_pipeline.collection.errors import OtherOrganizationError
from linkt_pipeline.ledger.choice import ledger_of
from linkt_pipeline.warehouse.queries import known_run_ids
from linkt_pipeline.warehouse.warehouse import Warehouse

_WITNESSES = 5  # some of them may have been deleted


class Organization:
    """The organization that a warehouse is about, and whether a key is of it.

    Args:
        client: asks with the key in question.
        warehouse: knows runs of the organization.
    """

    def __init__(self, client: LinktClient, warehouse: Warehouse) -> None:
        self._client = client
        self._warehouse = warehouse
        self._confirmed = False

    def confirm(self) -> None:
        """Note that the key has shown something that the warehouse knew before."""
        self._confirmed = True

    async def require(self, likely: str | None = None) -> None:
        """Ask for runs that the warehouse knows until Linkt shows one, unless the key has shown one already.

        Any key fits a warehouse that knows no run yet.

        Args:
            likely: the run to ask for first.

        Raises:
            OtherOrganizationError: the key shows none of them.
            LinktApiError: Linkt can't be asked now, or another server answers in its place.
        """
        if self._confirmed:
            return
        known = list(dict.fromkeys([*([likely] if likely else []), *await asyncio.to_thread(self._newest)]))
        unusable: MalformedBodyError | None = None
        for run_id in known:
            try:
                if await self._shows(run_id):
                    break
            except MalformedBodyError as error:
                unusable = error
        else:
            if unusable:
                raise unusable
            if known:
                raise OtherOrganizationError(known)
        self.confirm()

    def _newest(self) -> list[str]:
        with ledger_of(self._warehouse).read() as rows:
            return known_run_ids(rows.con, _WITNESSES, rows.in_warehouse)

    async def _shows(self, run_id: str) -> bool:
        try:
            await self._client.get_run(run_id)
        except (NotFoundError, PermissionDeniedError):
            return False
        except MalformedBodyError as error:
            # A run with an unreadable body exists, so the key is right. A login page or another run's body is no proof.
            if not same_id(error.object_id, run_id):
                raise
        return True
