"""What the illustrator draws: sky, land, water, plants and buildings."""
