"""A program and its tests in processes that can do no harm."""
