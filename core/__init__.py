"""Fivefold: one prompt in, at least five images and five videos out."""

__version__ = "0.1.0"
