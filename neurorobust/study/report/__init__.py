"""From the folder of a study to one offline HTML page, and to the terminal."""

from neurorobust.study.report.console import print_summary
from neurorobust.study.report.page import render_report, write_report
from neurorobust.study.report.worst import worst_case

__all__ = ["print_summary", "render_report", "worst_case", "write_report"]
