"""How is a library looked at and listened to? A page, served to this machine's browser."""
