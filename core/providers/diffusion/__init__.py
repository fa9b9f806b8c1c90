"""Stable Diffusion on the worker's own machine."""
