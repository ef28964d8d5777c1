"""The steps of a completion, and what each is worth."""
