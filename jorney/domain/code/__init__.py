"""Code: programs that answer, tested in processes that can do no harm."""
