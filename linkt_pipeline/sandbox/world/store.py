"""Where a sandbox's world is kept: one small SQLite file, or nowhere."""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

_SCHEMA = """
create table if not exists objects (kind text, id text, seq integer, doc blob, primary key (kind, id)) without rowid;
"""


class Store:
    """Documents by kind and id, in the order they were first saved. What was saved survives SIGKILL.

    Without a path nothing is kept: the world's memory is all there is.
    """

    def __init__(self, path: Path | None) -> None:
        self._con: sqlite3.Connection | None = None
        self._seq = 0
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        # The world's own lock serialises all use.
        self._con = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._con.execute("pragma journal_mode = wal")
        self._con.execute("pragma synchronous = normal")
        self._con.executescript(_SCHEMA)
        (self._seq,) = self._con.execute("select coalesce(max(seq), 0) from objects").fetchone()

    @property
    def keeps(self) -> bool:
        """Whether anything is written at all."""
        return self._con is not None

    def load(self, kind: str) -> Iterator[tuple[str, bytes]]:
        """All documents of a kind, oldest first."""
        if self._con is not None:
            yield from self._con.execute("select id, doc from objects where kind = ? order by seq", [kind])

    def save(self, documents: Iterable[tuple[str, str, bytes]], removed: Iterable[tuple[str, str]] = ()) -> None:
        """Write (kind, id, document) triples and remove (kind, id) pairs in one transaction."""
        if self._con is None:
            return
        rows = []
        for kind, key, doc in documents:
            self._seq += 1
            rows.append((kind, key, self._seq, doc))
        self._con.execute("begin immediate")
        try:
            self._con.executemany(
                "insert into objects values (?, ?, ?, ?) on conflict (kind, id) do update set doc = excluded.doc", rows
            )
            self._con.executemany("delete from objects where kind = ? and id = ?", list(removed))
            self._con.execute("commit")
        except BaseException:
            self._con.execute("rollback")
            raise

    def close(self) -> None:
        """Release the file."""
        if self._con is not None:
            self._con.close()
