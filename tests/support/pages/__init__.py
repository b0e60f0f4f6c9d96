"""Web pages in tests: a browser, Node.js, and folders served."""
