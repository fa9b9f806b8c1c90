"""The command line, `python -m core …`, and the checks of `doctor`."""
