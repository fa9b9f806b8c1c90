"""Telling the user: the outbox's sender and its channels."""
