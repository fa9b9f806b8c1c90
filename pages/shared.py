"""The page “Shared”."""
