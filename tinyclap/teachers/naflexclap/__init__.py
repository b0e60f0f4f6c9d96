"""OpenCLIP's NaFlexClap: sounds of any length and sentences in one space, from its published weights."""
