"""From a graph to groups of loops with a plan of memory; ``pipeline.py`` is the way in."""
