"""The network as an ONNX graph in onnxruntime."""

from neurorobust_onnx.backend import OnnxBackend, backend

__all__ = ["OnnxBackend", "backend"]
