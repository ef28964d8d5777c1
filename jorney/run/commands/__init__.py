"""Commands that are no stages: files of trees, checkpoints, completions, plans and benches of machines."""
