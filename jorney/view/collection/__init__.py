"""What lies at paths, as collections of rows: their index, and what is asked of it."""
