"""Errors, shapes with symbolic extents, dtypes, settings, registries, random streams."""
