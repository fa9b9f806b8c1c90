"""Live updates of open pages: the hub, its feeds and the event streams."""
