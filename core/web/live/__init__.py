"""What is pushed to open pages: the hub, its feeds and the event streams."""
