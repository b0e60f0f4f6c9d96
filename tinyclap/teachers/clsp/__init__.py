"""CLSP (arXiv 2601.03065): how speech sounds, in one space with descriptions of speaking styles."""
