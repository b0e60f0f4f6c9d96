"""What a recipe may say: strict pydantic models with a range on every number. Never imports torch."""
