"""Accounts: users, logins, addresses, invitations, deletion, and the two logs."""
