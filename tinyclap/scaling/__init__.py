"""Which student fills a budget? Hardware-Aware Scaling."""
