"""Where files live, saving them whole, checking that they decode, previews and posters."""
