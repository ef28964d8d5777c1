"""The pipeline's stages, each also a command: models, problems and earlier stages in; trees, thoughts, models, grades out."""
