"""How good is it? One file a task, and the scores."""
