"""How are weights learned?"""
