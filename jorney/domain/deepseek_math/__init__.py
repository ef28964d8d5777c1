"""How DeepSeekMath's evaluation asks, reads answers and grades them, quirks included, so that its figures can be compared with.

The behaviour is that of `evaluation/` in github.com/deepseek-ai/DeepSeek-Math, commit 21cc5c6 (Shao et al., 2024,
arXiv:2402.03300). It is written anew; `tests/domain/test_deepseek_math.py` holds what the published code gives.
"""
