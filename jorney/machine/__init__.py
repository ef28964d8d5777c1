"""Machines: programs compiled for them, plans and benches."""
