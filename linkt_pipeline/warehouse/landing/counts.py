"""What landing a batch did."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LandingCounts:
    """Distinct ids of a batch by what became of them.

    Attributes:
        inserted: ids seen for the first time.
        updated: ids whose stored row was replaced by a newer one.
        unchanged: ids of which nothing had to be written.
        versions: rows appended to the history; entities only.
        rejected: ids that DuckDB can't store (their payload is no JSON it accepts), or malformed ids a run names.
        deleted: entities that Linkt no longer knows, marked as such.
        restored: entities that were deleted in Linkt and are there again.
        settled: rows of ``linkt.run_resources`` whose state has changed.
        erased: ids that were not landed, because they are what was erased here.
        unstorable: of runs and reference data, the ids that DuckDB can't store; the others of the batch landed.
    """

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    versions: int = 0
    rejected: int = 0
    deleted: int = 0
    restored: int = 0
    settled: int = 0
    erased: int = 0
    unstorable: tuple[str, ...] = ()

    @property
    def is_news(self) -> bool:
        """Whether anything was written."""
        return any((self.inserted, self.updated, self.versions, self.rejected, self.restored, self.settled))

    def __add__(self, other: "LandingCounts") -> "LandingCounts":
        return LandingCounts(
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.versions + other.versions,
            self.rejected + other.rejected,
            self.deleted + other.deleted,
            self.restored + other.restored,
            self.settled + other.settled,
            self.erased + other.erased,
            self.unstorable + other.unstorable,
        )
