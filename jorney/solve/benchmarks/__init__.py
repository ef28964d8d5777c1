"""Benchmarks as data: where each lies, how it is asked and read, and what was published."""
