"""What a completion earns: terms, functions that users name, and their sum."""
