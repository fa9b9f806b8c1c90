"""Notifying users: the outbox's sender, messages and channels."""
