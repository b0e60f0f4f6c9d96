"""Sounds and texts with known answers: what a model understands of words, beyond the names of sounds."""
