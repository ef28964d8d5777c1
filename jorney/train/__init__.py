"""Losses, the step, the loop and the objectives."""
