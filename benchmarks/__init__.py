"""What Fivefold costs and how fast it is, beside plain scripts and the best that is possible."""
