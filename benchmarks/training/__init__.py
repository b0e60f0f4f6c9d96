"""How long training and storing take."""
