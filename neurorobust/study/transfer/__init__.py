"""The folder of replays."""

from neurorobust.study.transfer.store import Results, read_results, write_results

__all__ = ["Results", "read_results", "write_results"]
