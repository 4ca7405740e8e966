"""One file a format: which values are of it, and their conversion."""
