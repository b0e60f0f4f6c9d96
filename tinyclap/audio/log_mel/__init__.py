"""Log-mel spectrograms: one specification, computed in numpy, torch and ONNX."""
