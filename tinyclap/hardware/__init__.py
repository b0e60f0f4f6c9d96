"""What does a student cost, and what does a device offer?"""
