"""Policy gradients: rewards of groups to advantages of tokens, and the surrogate that they are learned by; GRPO and its kin."""
