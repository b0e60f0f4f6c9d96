"""How does a bundle enter others' benchmarks? An encoder for MTEB's audio tasks, for X-ARES and for HEAR."""
