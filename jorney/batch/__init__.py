"""Training examples in rows and batches: packing, branches, pairs, the loader."""
