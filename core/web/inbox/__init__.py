"""Notifications on pages: the bell, the list, preferences and links in e-mails."""
