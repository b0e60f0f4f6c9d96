"""What is a pair made of? Two towers, trained together here into one space."""
