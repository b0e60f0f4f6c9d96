"""How long does it take here, or on another machine over ssh?"""
