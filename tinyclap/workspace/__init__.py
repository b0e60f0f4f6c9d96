"""What lies on this machine: which run or bundle is meant, and what the cache holds?"""
