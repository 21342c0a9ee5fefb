"""Engines that run programs: the NumPy reference and the native one."""
