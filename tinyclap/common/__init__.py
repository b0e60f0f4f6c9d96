"""What does every room use? Files, rows on disk, progress, numbers, statistics, the machine."""
