"""Computes every mart a second time, from the landed payloads, and compares it with the stored one.

The second computation is Python, written from the descriptions of the tables (docs/tables.md) and not from the SQL of
the models. So a mistake in one of the two shows as a difference.
"""

from linkt_pipeline.audit.findings import Audit, Figure, MartAudit
from linkt_pipeline.audit.marts import MARTS
from linkt_pipeline.audit.runner import MOST_ROWS, run_audit

__all__ = ["MARTS", "MOST_ROWS", "Audit", "Figure", "MartAudit", "run_audit"]
