"""What a configuration's programs need of a TPU machine: they are compiled for it, and not run."""
