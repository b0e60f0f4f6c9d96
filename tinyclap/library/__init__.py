"""Which of my sounds is it? An index on disk, and what can be asked of it; numpy and sqlite only."""
