"""Graphs as things to work on: gradient, simplification, the law, printing."""
