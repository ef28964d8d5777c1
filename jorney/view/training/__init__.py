"""What trainings recorded, as curves."""
