"""Throughput of the programs that cost: how fast, what share of the machine, how much memory."""
