"""Files of items: stores, inspection, previews, posters and display copies."""
