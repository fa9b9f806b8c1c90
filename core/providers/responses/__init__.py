"""Reading vendors' responses: media, facts and the vendor's own words, in whatever form."""
