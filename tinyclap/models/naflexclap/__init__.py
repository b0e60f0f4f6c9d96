"""NaFlexClap's towers (OpenCLIP): a vision transformer over patches of a spectrogram, and a modern text transformer."""
