"""Plain definitions that native code is held to; ``groups.py`` runs a planned program in NumPy."""
