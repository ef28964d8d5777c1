"""Thoughts that a model is asked for, and care for sets of thoughts."""
