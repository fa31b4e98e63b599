#!/usr/bin/env bash
# BI tools and drivers that are not among the developers' dependencies, each installed into a temporary folder and run
# on a published snapshot. Needs pip, npm and a few minutes; docs/bi.md records what it printed.
#
#     tests/end_to_end/bi_tools.sh data/sandbox/published/warehouse.duckdb
set -euo pipefail

snapshot=$(realpath "${1:?path of a published warehouse.duckdb}")
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

heading "Apache Superset 6.1.0"
# 6.1.0 does not start without rich and cachetools, or with a newer flask-caching.
venv superset apache-superset==6.1.0 duckdb-engine==0.17.0 duckdb==1.5.6 rich cachetools flask-caching==2.3.1
export SUPERSET_CONFIG_PATH="$work/superset_config.py" FLASK_APP=superset
cat >"$SUPERSET_CONFIG_PATH" <<PY
SECRET_KEY = "$(head -c 36 /dev/urandom | base64)"
SQLALCHEMY_DATABASE_URI = "sqlite:///$work/superset.db"
WTF_CSRF_ENABLED = False
PY
{
    superset/bin/superset db upgrade
    superset/bin/superset fab create-admin --username admin --firstname a --lastname b --email a@b.example --password admin
    superset/bin/superset init
} >superset.log 2>&1
superset/bin/superset run -p 8098 >>superset.log 2>&1 &
server=$!
trap 'kill "$server"; rm -rf "$work"' EXIT
cat >superset.py <<'PY'
import sys
import time

import requests

api, session = "http://127.0.0.1:8098/api/v1", requests.Session()


def ask(method, path, **body):
    answer = session.request(method, f"{api}/{path}", json=body or None, timeout=60)
    answer.raise_for_status()
    return answer.json()


for _ in range(60):
    try:
        token = ask("POST", "security/login", username="admin", password="admin", provider="db")["access_token"]
        break
    except requests.ConnectionError:
        time.sleep(1)
session.headers["Authorization"] = f"Bearer {token}"
uri = f"duckdb:///{sys.argv[1]}?access_mode=read_only"
database = ask("POST", "database/", database_name="linkt", sqlalchemy_uri=uri, expose_in_sqllab=True)["id"]
tables = ask("GET", f"database/{database}/tables/?q=(schema_name:warehouse.marts)")["count"]
query = ask("POST", "sqllab/execute/", database_id=database, sql="select count(*) as companies from marts.companies")
dataset = ask("POST", "dataset/", database=database, schema="warehouse.marts", table_name="task_efficiency")["id"]
credits = {"expressionType": "SQL", "sqlExpression": "sum(total_credits)", "label": "credits"}
chart = ask(
    "POST",
    "chart/data",
    datasource={"id": dataset, "type": "table"},
    queries=[{"columns": ["task"], "metrics": [credits]}],
    result_format="json",
    result_type="full",
)
print(f"{tables} tables in warehouse.marts; {query['data']}; a chart of {chart['result'][0]['rowcount']} rows")
PY
superset/bin/python superset.py "$snapshot"
