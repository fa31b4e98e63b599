"""What every step of an ingest needs."""

from dataclasses import dataclass, field
from datetime import timedelta

from linkt_pipeline.executions.worker import Worker
from linkt_pipeline.ingest.ingests_table import IngestsTable


@dataclass
class Desk:
    """One process's means to ingest a file.

    Attributes:
        worker: who executes; its client and its patience serve the steps before the run as well.
        processing: how long Linkt may read an uploaded file before the wait for it is given up.
    """

    worker: Worker
    processing: timedelta = timedelta(minutes=10)
    ingests: IngestsTable = field(init=False)

    def __post_init__(self) -> None:
        self.ingests = IngestsTable(self.worker.warehouse, self.worker.ledger, self.worker.owner)
