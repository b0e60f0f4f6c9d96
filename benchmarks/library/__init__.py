"""What a library of sounds finds, how fast, and at which size."""
