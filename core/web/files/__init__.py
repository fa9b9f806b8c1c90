"""Files of users: the media route, and the export of everything."""
