"""Who does a work of many items, and what if one of them dies?"""
