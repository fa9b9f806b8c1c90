"""The page Activity: lists, charts and CSV."""
