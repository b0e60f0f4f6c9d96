"""Generated sounds: classes of everyday sound, synthesised from noise, tones and envelopes."""
