"""What reads rows of each kind of source: files of text, Arrow's tables, what TensorFlow Datasets prepared."""
