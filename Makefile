# `make demo` runs the main job on the built-in sandbox, `make test` passes the tests; both need only Python and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Dozens of processes are started by the tests; without this each would compile every module again where it is set.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint ui bench lake docs lock screenshots dist clean

demo: $(VENV)/.installed
	$(BIN)/linkt-pipeline demo

ui: $(VENV)/.installed
	$(BIN)/linkt-pipeline ui

test: $(VENV)/.installed-dev
	$(BIN)/pytest -n 3 --dist loadfile

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.installed-bench
	$(BIN)/python -m bench

# An environment beside the usual one, with DuckLake and the DuckDB that its packaged extensions load into.
lake: .venv-lake/.installed

docs: $(VENV)/.installed
	$(BIN)/linkt-pipeline models --markdown > docs/tables.md

# Pictures of the Dagster UI and the report for the README; needs Chromium.
screenshots: $(VENV)/.installed-dev
	$(BIN)/python -m tests.end_to_end.screenshots

# Wheel and sdist, with the SQL models inside.
dist: $(VENV)/.installed
	$(BIN)/python -m hatchling build -d dist

# Exact versions with hashes, and no registry host: needs uv, which is not needed to install.
LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	--no-strip-extras --no-annotate -q

lock:
	$(LOCK) --group build -o requirements.lock
	$(LOCK) --group build --group dev --extra postgres --extra alerts -c requirements.lock -o requirements-dev.lock
	$(LOCK) --group build --group dev --group bench --extra postgres --extra alerts -c requirements-dev.lock -o requirements-bench.lock
	$(LOCK) --extra postgres --extra alerts -c requirements-dev.lock -o requirements-postgres.lock
	grep -E '^[a-z]' requirements-dev.lock | sed 's/ \\$$//' | grep -vE '^duckdb(-cli)?==' > .lake-constraints
	echo 'duckdb-cli==1.5.5' >> .lake-constraints
	$(LOCK) --group build --group dev --group bucket --extra postgres --extra alerts --extra lake -c .lake-constraints -o requirements-lake.lock
	rm .lake-constraints
	uv pip compile --group build --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--no-strip-extras --no-annotate -q -c requirements.lock -o requirements-build.lock

$(VENV)/.installed: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check --quiet --require-hashes -r requirements.lock
	$(BIN)/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation \
		--editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	$(BIN)/pip install --disable-pip-version-check --quiet --require-hashes -r requirements-dev.lock
	touch $@

$(VENV)/.installed-bench: $(VENV)/.installed-dev requirements-bench.lock
	$(BIN)/pip install --disable-pip-version-check --quiet --require-hashes -r requirements-bench.lock
	touch $@

.venv-lake/.installed: requirements-lake.lock pyproject.toml
	test -x .venv-lake/bin/python || $(PYTHON) -m venv .venv-lake
	.venv-lake/bin/pip install --disable-pip-version-check --quiet --require-hashes -r requirements-lake.lock
	.venv-lake/bin/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	touch $@

clean:
	rm -rf $(VENV) .venv-lake dist data/sandbox .mypy_cache .ruff_cache .pytest_cache .hypothesis
