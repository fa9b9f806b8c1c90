"""Jobs and their items: placing, listing, searching, sharing, removing, counting."""
