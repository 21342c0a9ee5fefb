"""Foundation: errors, shapes with symbolic extents, dtypes, settings, registries, random streams."""
