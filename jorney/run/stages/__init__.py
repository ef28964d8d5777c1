"""Stages: each file holds a stage's configuration (its command), what it reads, its work and its programs."""
