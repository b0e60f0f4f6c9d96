"""What was measured, and how: each module is a command that writes a file of results/."""
