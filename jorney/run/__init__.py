"""Running: stages that are done once, the commands and the recipes made of them."""
