"""Accuracy on problems, and what it is worth."""
