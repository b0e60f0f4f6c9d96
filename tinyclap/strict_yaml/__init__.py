"""How is a YAML file of a fixed schema read, and what is said of a mistake in it?"""
