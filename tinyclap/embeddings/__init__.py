"""What can be done with embeddings alone?"""
