"""Checkpoints of other systems, read into sharded parameters and written."""
