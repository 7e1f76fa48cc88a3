"""Graph and Program → ONNX: a Scan over time, or one step with its state."""

from neurorobust.exporters.onnx.save import initial_state, onnx_model, save_onnx

__all__ = ["initial_state", "onnx_model", "save_onnx"]
