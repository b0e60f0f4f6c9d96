"""Line charts and scatter plots by matplotlib, as inline SVG for a page or as a PNG file."""
