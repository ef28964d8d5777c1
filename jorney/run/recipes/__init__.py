"""Recipes: stages in a row."""
