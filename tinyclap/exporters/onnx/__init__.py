"""ONNX graphs: traced, checked against torch, quantised."""
