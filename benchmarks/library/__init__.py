"""How fast and how exact a library of sounds answers."""
