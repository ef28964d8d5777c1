"""Ratings of steps: judges' and people's."""
