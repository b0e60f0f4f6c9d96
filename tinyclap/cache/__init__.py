"""What lies in the cache, and how is it cleared?"""
