"""What the pages share: identity, media routes, components, drawing helpers."""
