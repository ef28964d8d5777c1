"""The experiment: do journeys teach more than shortcuts from the same trees? A protocol in, a page of findings out."""
