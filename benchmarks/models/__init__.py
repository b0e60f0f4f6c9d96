"""Beside the published models."""
