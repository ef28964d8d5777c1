"""Problems and their texts, tokens, packed rows and batches."""
