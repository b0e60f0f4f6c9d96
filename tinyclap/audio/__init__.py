"""From a file or a microphone to what a network hears."""

from tinyclap.audio.files import read

__all__ = ["read"]
