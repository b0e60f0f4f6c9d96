"""What is said of a student in C, as a .tflite, or as a web page?"""
