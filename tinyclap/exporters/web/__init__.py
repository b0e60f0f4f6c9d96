"""How does a bundle become a page that hears?"""
