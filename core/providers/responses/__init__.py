"""Reading vendors' responses: media, fields and errors, in whatever form."""
