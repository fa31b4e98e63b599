"""A warehouse that many hosts share: a DuckLake, whose catalog is a PostgreSQL and whose rows are Parquet files.

DuckLake commits two transactions that began at one moment even if both insert one key: nothing in it is unique, and
appends never conflict. So every transaction that writes takes its turn (turn.py), as at a file by the file's lock. A
transaction whose turn was lost in the middle can't commit, because each changes one and the same row (fence.py).
"""
