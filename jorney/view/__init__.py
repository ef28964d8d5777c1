"""The viewer of runs' folders and files: what is there, what is asked of it, and what is shown. It never writes to them."""
