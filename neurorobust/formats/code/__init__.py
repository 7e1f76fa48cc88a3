"""Networks as standalone Python files of other frameworks."""

from neurorobust.formats.code.export import Exported, Target, export_code

__all__ = ["Exported", "Target", "export_code"]
