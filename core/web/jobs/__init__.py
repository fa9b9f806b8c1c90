"""A job on a page: its snapshot, items and actions."""
