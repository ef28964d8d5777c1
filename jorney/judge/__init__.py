"""Judges: each rates a step and says in words what it saw."""

from jorney import call_as_well

call_as_well(__name__)
