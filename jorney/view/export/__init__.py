"""Rows to take away, or to show to somebody."""
