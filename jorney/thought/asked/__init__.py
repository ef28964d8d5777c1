"""Thoughts made by asking a model: refinements, dialogues, human solutions told at length."""
