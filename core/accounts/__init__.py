"""Who may come in: the rules for logging in and registering, and passphrases."""
