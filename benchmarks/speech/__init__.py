"""How speech sounds."""
