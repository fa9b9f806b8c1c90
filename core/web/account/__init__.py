"""The page Account."""
