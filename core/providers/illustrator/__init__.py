"""The built-in illustrator: draws what a prompt speaks of with our own code, not an AI model."""

from core.providers.illustrator.render import draw_clip, draw_image

__all__ = ["draw_clip", "draw_image"]
