"""The warehouse: one DuckDB file that every row of Linkt ends up in.

Start at :mod:`linkt_pipeline.warehouse.file`; rows go in through ``landing``, ``ledger`` and ``usage``, come out
through ``queries`` and ``checks``, and are published by ``snapshot``.
"""
