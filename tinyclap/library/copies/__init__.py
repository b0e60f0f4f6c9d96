"""Which files are copies of one recording?"""
