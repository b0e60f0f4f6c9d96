"""Where do many clips lie in few files? WebDataset tars, here or on the web."""
