"""A Graph or Program → ONNX operators and functions."""
