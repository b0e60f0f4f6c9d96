"""Real ESC-50: teachers made of taggers, and their students."""
