"""Published forms: rows of other people's files as problems, labels, examples and trees, and trees as their rows."""
