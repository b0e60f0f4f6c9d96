"""Measured on ESC-10, from runs of its cross-validation."""
