"""The transformer and its parameters. The only place that knows flax."""
