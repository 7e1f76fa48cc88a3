"""Networks as standalone Python files of other frameworks."""

from neurorobust.exporters.code.export import Exported, Target, export_code

__all__ = ["Exported", "Target", "export_code"]
