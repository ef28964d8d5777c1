"""The commands: a stage's configuration, and what it runs."""
