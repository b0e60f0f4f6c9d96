"""How does a student live in fewer dimensions?"""
