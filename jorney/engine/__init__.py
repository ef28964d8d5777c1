"""Generation: the cache, the jitted programs and the door to them."""
