"""Reinforcement learning: completions sampled as training goes, their rewards, and what each step of them earned."""
