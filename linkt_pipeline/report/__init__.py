"""The report: one HTML file about a published snapshot, for people without a BI tool.

:func:`write_report` writes it. Code that shows a single chart builds it with :func:`credits_over_time` or as a
:class:`BarChart`, and draws it with :func:`chart_svg` or :func:`chart_markdown`.
"""

from linkt_pipeline.report.chart import BarChart, Series
from linkt_pipeline.report.charts import credits_over_time, signals_over_time
from linkt_pipeline.report.drawing import chart_markdown, chart_svg
from linkt_pipeline.report.errors import ReportError
from linkt_pipeline.report.page import write_report

__all__ = [
    "BarChart",
    "ReportError",
    "Series",
    "chart_markdown",
    "chart_svg",
    "credits_over_time",
    "signals_over_time",
    "write_report",
]
