"""Finds SQL that takes DuckDB's ``hash()`` for a digest.

``hash()`` is made for hash tables: it is quick, has 64 bits, and cancels differences that lie in two 8-byte blocks of
a text, which is where ids in sequence differ. Of a million ids such as Linkt's, a sixth share a number with another id.
"""

from collections.abc import Iterator

import duckdb

from linkt_pipeline.transform.macro import MACROS_FOLDER
from linkt_pipeline.transform.sql_files import SqlFiles
from linkt_pipeline.transform.statement import function_lines

_ADVICE = (
    "hash() gives different texts the same number, so it can't distinguish rows; compare or group by the values "
    "themselves, or by md5(json_array(a, b)::varchar)"
)


def warn_of_hashes(files: SqlFiles) -> Iterator[str]:
    """A line ``file:line: ...`` for each call of ``hash()`` in models, macros and checks that the parser takes.

    Args:
        files: those of a project.
    """
    con = duckdb.connect()
    try:
        for path in [path for folder in files.folders for path in files.of(folder) if path.suffix == ".sql"]:
            text = path.read_text(encoding="utf-8-sig", errors="replace")
            statement = f"select {text}" if path.parent.name == MACROS_FOLDER else text
            for line in function_lines(con, statement, "hash"):
                yield f"{path}:{line}: {_ADVICE}"
    finally:
        con.close()
