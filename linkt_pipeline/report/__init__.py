"""The report: one HTML file about a published snapshot, for people without a BI tool.

:func:`write_report` writes it; :func:`chart_markdown` serves places that show a single chart.
"""

from linkt_pipeline.report.chart import BarChart, Series
from linkt_pipeline.report.drawing import chart_markdown, chart_svg
from linkt_pipeline.report.errors import ReportError
from linkt_pipeline.report.page import write_report

__all__ = ["BarChart", "ReportError", "Series", "chart_markdown", "chart_svg", "write_report"]
