"""How is a bundle used on a device?"""
