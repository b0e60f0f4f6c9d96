"""From a recipe to a finished run folder: one file a command."""
