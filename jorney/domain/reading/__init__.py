"""How answers of mathematics are read, and when two of them are equal."""
