"""How work that many share grows with their number."""
