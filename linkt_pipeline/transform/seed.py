"""Seeds: small tables kept as CSV files in sql/seeds, each with a header file of the same name beside it.

A seed becomes a model whose SELECT holds the rows themselves. So it is built, checked, described and drawn like every
other table, and a changed CSV file rebuilds what reads it.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

import duckdb

from linkt_pipeline.transform.errors import ModelFileError
from linkt_pipeline.transform.header import parse_seed_header
from linkt_pipeline.transform.model import ModelKey, SqlModel
from linkt_pipeline.transform.sql_files import read_text
from linkt_pipeline.transform.statement import fingerprint
from linkt_pipeline.warehouse.catalog import literal, quoted

SEEDS_FOLDER = "seeds"


def read_seed(con: duckdb.DuckDBPyConnection, path: Path) -> SqlModel:
    """Read a CSV file and the header file beside it.

    Args:
        con: any connection; casts the values of the file.
        path: ``seeds/<name>.csv``, or ``seeds/<name>.sql`` where there is no such file.

    Raises:
        ModelFileError: a file can't be used, or a value is not of its column's type.
    """
    if path.suffix != ".csv":
        raise ModelFileError(path, 1, f"there is no {path.stem}.csv beside this header")
    beside = path.with_suffix(".sql")
    if not beside.exists():
        raise ModelFileError(
            path, 1, f"no header; describe the table in {beside.name}, beginning '-- description: ...'"
        )
    text = read_text(beside)
    header, types = parse_seed_header(beside, text)
    columns, rows = _read_rows(path)
    if unknown := sorted((set(types) | set(header.columns)).difference(columns)):
        raise ModelFileError(beside, 1, f"the header speaks of column '{unknown[0]}', which {path.name} does not have")
    types = {name: types.get(name, "varchar") for name in columns}
    _require_types(con, path, types, rows)
    sql = _select(types, [row for _, row in rows])
    version = fingerprint(sql, str(header.materialization))
    return SqlModel(
        key=ModelKey(SEEDS_FOLDER, path.stem),
        path=path,
        header=header,
        sql=sql,
        reads=(),
        code_version=version,
        is_repeatable=True,
    )


def _read_rows(path: Path) -> tuple[list[str], list[tuple[int, list[str | None]]]]:
    """Column names, and each row with its line; an empty cell is null."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            names = [name.strip() for name in next(reader, [])]
            rows = [(reader.line_num, [cell.strip() or None for cell in row]) for row in reader if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ModelFileError(path, 1, f"can't be read: {error}") from None
    if not all(names) or len(set(names)) != len(names) or not names:
        raise ModelFileError(path, 1, "the first line names the columns, each once")
    for line, row in rows:
        if len(row) != len(names):
            raise ModelFileError(path, line, f"{len(row)} values for {len(names)} columns ({', '.join(names)})")
    return names, rows


def _require_types(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    types: Mapping[str, str],
    rows: list[tuple[int, list[str | None]]],
) -> None:
    for place, (name, data_type) in enumerate(types.items()):
        values = [row[place] for _, row in rows]
        try:
            fits = con.execute(
                f"select list_transform($1::varchar[], lambda v: v is null or try_cast(v as {data_type}) is not null)",
                [values],
            ).fetchall()[0][0]
        except duckdb.Error as error:
            problem = f"column '{name}' can't be of type '{data_type}': {str(error).partition(chr(10))[0]}"
            raise ModelFileError(path.with_suffix(".sql"), 1, problem) from None
        for (line, row), fit in zip(rows, fits, strict=True):
            if not fit:
                raise ModelFileError(path, line, f"'{row[place]}' in column '{name}' is not of type {data_type}")


def _select(types: Mapping[str, str], rows: list[list[str | None]]) -> str:
    """The rows as SQL; a row of nulls that is filtered out gives an empty seed its columns."""
    cells = rows or [[None] * len(types)]
    values = ",\n    ".join(f"({', '.join(map(literal, row))})" for row in cells)
    columns = ",\n".join(f"    cast({quoted(name)} as {kind}) as {quoted(name)}" for name, kind in types.items())
    names = ", ".join(map(quoted, types))
    select = f"select\n{columns}\nfrom (values\n    {values}\n) as seed({names})"
    return select if rows else f"{select}\nwhere false"
