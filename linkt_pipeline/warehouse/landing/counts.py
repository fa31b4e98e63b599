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
        unstorable: of runs and reference data, the ids that DuckDB can't store; the others of the batch landed.
    """

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    versions: int = 0
    rejected: int = 0
    unstorable: tuple[str, ...] = ()

    def __add__(self, other: "LandingCounts") -> "LandingCounts":
        return LandingCounts(
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.versions + other.versions,
            self.rejected + other.rejected,
            self.unstorable + other.unstorable,
        )
