"""What are the networks, and how are they saved?"""
