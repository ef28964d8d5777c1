"""Judges: each rates a step and says in words what it saw."""
