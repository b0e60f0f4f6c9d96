"""What may be said about sound? Captions without audio, for students of a teacher's text tower."""
