"""From a results folder to one offline HTML page, and to the terminal."""

from neurorobust.study.transfer.console import print_summary
from neurorobust.study.transfer.html import write_report
from neurorobust.study.transfer.store import Results, read_results, write_results

__all__ = ["Results", "print_summary", "read_results", "write_report", "write_results"]
