"""Dagster code location that runs Linkt research tasks and lands every row in DuckDB."""

__version__ = "0.1.0"
