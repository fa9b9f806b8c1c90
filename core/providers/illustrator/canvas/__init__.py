"""What the illustrator draws with: pens, noise, palettes and the stage."""
