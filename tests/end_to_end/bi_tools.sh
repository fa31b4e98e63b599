#!/usr/bin/env bash
# BI tools and drivers that are not among the developers' dependencies, each installed into a temporary folder and run
# on a published snapshot. Needs pip, npm and a few minutes; docs/bi.md records what it printed.
#
#     tests/end_to_end/bi_tools.sh data/sandbox/published/linkt.duckdb
set -euo pipefail

snapshot=$(realpath "${1:?path of a published linkt.duckdb}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

heading() { printf '\n== %s\n' "$*"; }

venv() { # venv NAME PACKAGE...
    python3 -m venv "$1"
    "$1/bin/pip" install --quiet --disable-pip-version-check "${@:2}"
}

heading "DuckDB command line"
venv cli duckdb-cli==1.5.6
cli/bin/duckdb --version
cli/bin/duckdb -readonly -csv "$snapshot" -c "select count(*) as companies from marts.companies"
cli/bin/duckdb -csv -c "attach '$snapshot' as warehouse (read_only); use warehouse; select count(*) as runs from linkt.runs"
if cli/bin/duckdb -readonly "$snapshot" -c "create table mine (a integer)" 2>refused; then
    echo "a read-only connection wrote"; exit 1
fi
grep -o "read-only mode" refused

cat >reflect.py <<'PY'
import sys
import warnings

import sqlalchemy as sa

warnings.simplefilter("ignore")
engine = sa.create_engine(f"duckdb:///{sys.argv[1]}", connect_args={"read_only": True})
try:
    table = sa.Table("task_efficiency", sa.MetaData(), schema="marts", autoload_with=engine)
    with engine.connect() as con:
        rows = len(con.execute(sa.select(table.c.task)).fetchall())
    print(f"SQLAlchemy {sa.__version__}: reflected {len(table.columns)} columns, read {rows} rows")
except sa.exc.ProgrammingError as error:
    print(f"SQLAlchemy {sa.__version__}: no reflection: {str(error).splitlines()[0][:110]}")
PY
for version in 1.4.54 2.0.44 2.1.9; do
    heading "duckdb-engine 0.17.0 with SQLAlchemy $version"
    venv "engine-$version" duckdb-engine==0.17.0 "sqlalchemy==$version" duckdb==1.5.6 pytz
    "engine-$version/bin/python" reflect.py "$snapshot"
done
heading "duckdb-sqlalchemy 1.5.6.5"
venv dialect duckdb-sqlalchemy==1.5.6.5 sqlalchemy==2.1.9 duckdb==1.5.6 pytz
dialect/bin/python reflect.py "$snapshot"

heading "Node: @duckdb/node-api 1.5.6-r.1"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund @duckdb/node-api@1.5.6-r.1 >/dev/null
cat >ask.mjs <<'JS'
import { DuckDBInstance } from "@duckdb/node-api";
const database = await DuckDBInstance.create(process.argv[2], { access_mode: "READ_ONLY" });
const connection = await database.connect();
const reader = await connection.runAndReadAll("select count(*)::int as companies from marts.companies");
console.log(reader.getRowObjectsJson());
JS
node ask.mjs "$snapshot"
