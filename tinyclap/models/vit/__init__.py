"""How does a transformer hear clips of any length? Patches of a spectrogram, each with its place in time and pitch."""
