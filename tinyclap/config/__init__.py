"""What may a recipe or a device file say, and what is said of a mistake?"""
