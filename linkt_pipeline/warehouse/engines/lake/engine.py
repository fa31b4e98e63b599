"""DuckDB with the lake attached, kept by a process between two uses.

To attach a lake costs up to a second, so it stays attached. DuckDB's connections to PostgreSQL come back by themselves.
Each use has a connection of its own, so temporary tables go with it.
"""

from pathlib import Path

import duckdb

from linkt_pipeline.warehouse.catalog import literal
from linkt_pipeline.warehouse.engines.lake.extensions import OF_A_CATALOG, OF_OBJECT_STORES, load_extensions
from linkt_pipeline.warehouse.engines.lake.place import LakePlace
from linkt_pipeline.warehouse.engines.lake.shared_folder import make_folder
from linkt_pipeline.warehouse.engines.lake.spill import Spill
from linkt_pipeline.warehouse.liveness import OF_SERVER
from linkt_pipeline.warehouse.running_duckdb import CATALOG, NO_DOWNLOADS, start_duckdb, usual_threads

_CATALOG_SECRET = "linkt_catalog"  # noqa: S105, a name
_STORE_SECRET = "linkt_store"  # noqa: S105


class LakeEngine:
    """A running DuckDB for one lake, used by one thread at a time.

    Args:
        place: of the lake.
        spills: folder in which each process has one for what does not fit into memory.
        memory_limit: DuckDB's own limit, beyond which it spills.
    """

    def __init__(self, place: LakePlace, spills: Path, memory_limit: str) -> None:
        self._place, self._spills, self._memory_limit = place, spills, memory_limit
        self._duckdb: duckdb.DuckDBPyConnection | None = None
        self._spill: Spill | None = None
        self._threads = 0

    @property
    def is_running(self) -> bool:
        """Whether the lake is attached."""
        return self._duckdb is not None

    def connect(self, *, threads: int | None = None, create: bool = False) -> duckdb.DuckDBPyConnection:
        """A connection inside a transaction that reads, whose current database is the lake; for the caller to close.

        Each transaction asks PostgreSQL for the newest snapshot once, and to name the database needs one too.

        Args:
            threads: DuckDB's; default: :func:`usual_threads`.
            create: make the catalog if there is none; the caller must have the turn.

        Raises:
            LakeUnavailableError: an extension is missing.
            duckdb.Error: the lake can't be attached.
        """
        running = self._running(create)
        con = running.cursor()
        try:
            wanted = int(threads or usual_threads())
            if wanted != self._threads:
                con.execute(f"set threads = {wanted}")
                self._threads = wanted
            con.execute(f"begin transaction read only; use {CATALOG}")
        except BaseException:
            con.close()
            raise
        return con

    def stop(self) -> None:
        """Close everything, whatever state it is in; the next :meth:`connect` starts a new DuckDB."""
        running, self._duckdb, self._threads = self._duckdb, None, 0
        if running is not None:
            running.close()
        spill, self._spill = self._spill, None
        if spill is not None:
            spill.remove()

    def leave_to_parent(self) -> None:
        """In a forked process: forget the parent's DuckDB without closing it, or its connections would end here."""
        if self._duckdb is not None:
            _of_parents.append(self._duckdb)
        self._duckdb, self._spill, self._threads = None, None, 0

    def _running(self, create: bool) -> duckdb.DuckDBPyConnection:
        if self._duckdb is None:
            self._spill = Spill(self._spills)
            try:
                self._duckdb = start_duckdb(self._spill.path, self._memory_limit)
                attach_lake(self._duckdb, self._place, CATALOG, create=create)
            except BaseException:
                self.stop()
                raise
        return self._duckdb


def attach_lake(con: duckdb.DuckDBPyConnection, place: LakePlace, name: str, *, create: bool = False) -> None:
    """Attach a lake to a DuckDB that has nothing of it yet.

    Args:
        con: any connection of that DuckDB.
        place: of the lake.
        name: under which it is attached.
        create: make the catalog if there is none.
    """
    load_extensions(con, OF_A_CATALOG)
    if place.is_in_bucket:
        load_extensions(con, OF_OBJECT_STORES)
        _know_store(con, place)
    elif create:
        make_folder(place)
    _know_catalog(con, place)
    given = place.catalog.options
    of_session = " ".join(f"-c {name}={value}" for name, value in OF_SERVER.items())
    # Else PostgreSQL would keep a commit that a host was cut off in, and whoever commits next would wait, for hours.
    options = {**given, "options": f"{given.get('options', '')} {of_session}".strip()}
    in_libpq = " ".join(f"{key}={_in_libpq(value)}" for key, value in options.items())
    con.execute(
        f"attach {literal(f'ducklake:postgres:{in_libpq}')} as {name} ("
        f"data_path {literal(place.data_path)}, metadata_schema {literal(place.schema)}, "
        f"meta_secret {literal(_CATALOG_SECRET)}, create_if_not_exists {create})"
    )


def first_file(place: LakePlace) -> str | None:
    """A Parquet file that lies where the files of a lake are to lie; None if there is none.

    Raises:
        LakeUnavailableError: an extension is missing.
        duckdb.Error: the bucket refuses.
    """
    with duckdb.connect(config=NO_DOWNLOADS) as con:
        if place.is_in_bucket:
            load_extensions(con, OF_OBJECT_STORES)
            _know_store(con, place)
        found = con.execute("select file from glob($1) limit 1", [f"{place.data_path}**/*.parquet"]).fetchone()
    return str(found[0]) if found else None


def _know_catalog(con: duckdb.DuckDBPyConnection, place: LakePlace) -> None:
    catalog = place.catalog
    values: dict[str, str] = {"host": catalog.host, "port": str(catalog.port), "database": catalog.database}
    if catalog.user:
        values["user"] = catalog.user
    if catalog.password:
        values["password"] = catalog.password.get_secret_value()
    _create_secret(con, _CATALOG_SECRET, "postgres", values)


def _know_store(con: duckdb.DuckDBPyConnection, place: LakePlace) -> None:
    store = place.store
    values: dict[str, str] = {}
    if store.key_id and store.secret:
        values |= {"key_id": store.key_id, "secret": store.secret.get_secret_value()}
    if store.session_token:
        values["session_token"] = store.session_token.get_secret_value()
    if store.region:
        values["region"] = store.region
    if store.endpoint:
        scheme, _, host = store.endpoint.partition("://")
        values |= {"endpoint": host.rstrip("/"), "url_style": "path", "use_ssl": str(scheme != "http").lower()}
    _create_secret(con, _STORE_SECRET, "s3", values)


def _create_secret(con: duckdb.DuckDBPyConnection, name: str, kind: str, values: dict[str, str]) -> None:
    """The values are parameters, because DuckDB quotes SQL in its errors."""
    given = "".join(f", {key} ${place}" for place, key in enumerate(values, 1))
    con.execute(f"create or replace temporary secret {name} (type {kind}{given})", list(values.values()))


def _in_libpq(value: str) -> str:
    """A value in libpq's connection string."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


_of_parents: list[duckdb.DuckDBPyConnection] = []
