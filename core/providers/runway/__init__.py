"""RunwayML."""
