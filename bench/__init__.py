"""Figures beside rivals: every bench has a `run` that measures and returns a `Report`."""
