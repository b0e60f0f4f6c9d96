"""How do many processes share one work?"""
