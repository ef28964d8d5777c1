"""Looking after sets of thoughts: quality, duplicates, mixtures, variety, statistics."""
