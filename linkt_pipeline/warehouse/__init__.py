"""The warehouse that every row of Linkt ends up in.

Start at :mod:`linkt_pipeline.warehouse.warehouse`; the room ``engines`` holds the rows. They go in through ``landing``,
come out through ``queries`` and ``checks``, and are published by ``publish``. The rooms ``ledger`` and ``access`` keep
tables of their own in it.
"""
