"""What a student costs on this machine: size, operations, time."""
