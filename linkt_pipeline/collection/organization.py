"""Whose key is it? By a key of another organization, nothing of ours exists.

Its 404 is the same as for what was deleted, so it would settle ids as missing, forget runs that are still going and
land the runs of strangers. Before a 404 counts, or a run that nobody here knows is landed, the key has to show one run
that this warehouse knows.
"""

import asyncio

from linkt_pipeline.api import LinktClient, MalformedBodyError, NotFoundError, PermissionDeniedError, same_id
from linkt_pipeline.collection.errors import OtherOrganizationError
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
        """The key has shown something that the warehouse knew before."""
        self._confirmed = True

    async def require(self, likely: str | None = None) -> None:
        """Ask for runs that the warehouse knows until one is shown, unless that is settled already.

        A warehouse that knows none yet belongs to any key.

        Args:
            likely: the run to ask for first.

        Raises:
            OtherOrganizationError: the key shows none of them.
            LinktApiError: Linkt can't be asked now, or what answers for it shows no run at all.
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
        with self._warehouse.read() as con:
            return known_run_ids(con, _WITNESSES)

    async def _shows(self, run_id: str) -> bool:
        try:
            await self._client.get_run(run_id)
        except (NotFoundError, PermissionDeniedError):
            return False
        except MalformedBodyError as error:
            # An unreadable run is there all the same. A login page or another run's body shows nothing.
            if not same_id(error.object_id, run_id):
                raise
        return True
