"""Losses, the step, the loop and the objectives."""

from jorney import call_as_well

call_as_well(__name__)
