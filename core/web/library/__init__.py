"""The gallery: its page, searches and downloads."""
