"""Countdown: reach a target from a few numbers, every step verified exactly."""
