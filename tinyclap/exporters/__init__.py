"""How does a model leave torch?"""
