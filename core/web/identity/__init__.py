"""Who sends a request: cookies, the session cache and permissions."""
