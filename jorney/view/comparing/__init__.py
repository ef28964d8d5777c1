"""Several collections on the same problems."""
