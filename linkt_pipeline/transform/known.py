"""What the builds of a session know of the warehouse, so that it is looked at once for all of them and not for each."""

from linkt_pipeline.transform.changes import LandedTables
from linkt_pipeline.transform.known_tables import KnownTables


class Known:
    """Give one instance to all builds of a session.

    Attributes:
        tables: what tables and views there are.
        landed: marks of the rows of landed tables.
    """

    def __init__(self) -> None:
        self.tables = KnownTables()
        self.landed = LandedTables(self.tables)
