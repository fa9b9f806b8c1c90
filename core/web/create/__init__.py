"""The page Create: its form, estimate and routes."""
