"""ONNX files: Graph and Program out, as a Scan over time or one step with its state, and in."""

from neurorobust.formats.onnx.save import initial_state, onnx_model, save_onnx

__all__ = ["initial_state", "onnx_model", "save_onnx"]
