"""A student as a .tflite file in INT8, for TensorFlow Lite Micro."""
