"""Every mart computed a second time, from the landed payloads, and held against what is stored.

Written from the descriptions of the tables (docs/tables.md), in Python, without the SQL of the models: a mistake in one
of the two shows as a difference.
"""

from linkt_pipeline.audit.findings import Audit, Figure, MartAudit
from linkt_pipeline.audit.marts import MARTS
from linkt_pipeline.audit.runner import MOST_ROWS, run_audit

__all__ = ["MARTS", "MOST_ROWS", "Audit", "Figure", "MartAudit", "run_audit"]
