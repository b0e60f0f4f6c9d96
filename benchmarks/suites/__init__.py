"""A bundle in others' suites."""
