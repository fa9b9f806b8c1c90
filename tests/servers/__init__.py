"""Servers and providers that stand in for the ones that cost money."""
