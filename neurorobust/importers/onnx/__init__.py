"""ONNX files that neurorobust wrote → Graph or Program."""

from neurorobust.importers.onnx.load import load_onnx

__all__ = ["load_onnx"]
