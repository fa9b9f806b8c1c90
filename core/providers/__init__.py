"""Providers of images and clips behind one interface; each module or package here adds its own."""
