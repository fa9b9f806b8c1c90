"""Processes: their start, their crash reports, and the supervisor behind `make run`."""
