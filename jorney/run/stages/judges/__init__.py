"""Judges of steps: their kinds, other ratings for trees, and reward models from labels to measures."""
