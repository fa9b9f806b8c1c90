"""Documents: schema, reading, repair, and the expressions that queries share."""
