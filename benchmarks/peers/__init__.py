"""The tools that Ranvier is measured beside, one file each, in the best form of each."""
