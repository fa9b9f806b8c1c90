"""The web process: what is served to browsers, one room for each page or feature."""
