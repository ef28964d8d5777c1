"""Reasoning trees: their data, their expansion and their pruning."""
