"""What does a bundle become that other machines take?"""
