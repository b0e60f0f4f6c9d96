"""How does a student become plain C for a microcontroller?"""
