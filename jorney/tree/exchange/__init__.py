"""Trees from and to other people's files: one small module a format, rows in and trees out, or trees in and rows out."""
