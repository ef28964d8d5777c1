"""Published architectures by name, for tools and tests that need a shape without its weights."""

from __future__ import annotations

import dataclasses

from jorney.model.architecture import ModelConfig, RopeScaling

_QWEN = ModelConfig(family="qwen2", vocab_size=152_064, embed=3584, layers=28, heads=28, kv_heads=4, head_dim=128, mlp=18_944)

PRESETS: dict[str, ModelConfig] = {
    "deepseekmath-7b": ModelConfig(
        vocab_size=102_400, embed=4096, layers=30, heads=32, kv_heads=32, head_dim=128, mlp=11_008, positions=4096
    ),
    "smollm2-135m": ModelConfig(
        vocab_size=49_152,
        embed=576,
        layers=30,
        heads=9,
        kv_heads=3,
        head_dim=64,
        mlp=1536,
        rope_theta=1e5,
        rms_eps=1e-5,
        positions=8192,
        tie_embeddings=True,
    ),
    "llama-2-7b": ModelConfig(
        vocab_size=32_000, embed=4096, layers=32, heads=32, kv_heads=32, head_dim=128, mlp=11_008, rms_eps=1e-5, positions=4096
    ),
    "llama-3.1-8b": ModelConfig(
        vocab_size=128_256,
        embed=4096,
        layers=32,
        heads=32,
        kv_heads=8,
        head_dim=128,
        mlp=14_336,
        rope_theta=5e5,
        rope_scaling=RopeScaling("llama3", 8.0),
        rms_eps=1e-5,
        positions=131_072,
    ),
    "mistral-7b": ModelConfig(
        family="mistral",
        vocab_size=32_000,
        embed=4096,
        layers=32,
        heads=32,
        kv_heads=8,
        head_dim=128,
        mlp=14_336,
        rms_eps=1e-5,
        positions=32_768,
        window=4096,
    ),
    "qwen2.5-math-7b": _QWEN,
    "qwen2.5-math-prm-7b": dataclasses.replace(_QWEN, head="mlp", labels=2),
    "qwen3-8b": ModelConfig(
        family="qwen3",
        vocab_size=151_936,
        embed=4096,
        layers=36,
        heads=32,
        kv_heads=8,
        head_dim=128,
        mlp=12_288,
        rope_theta=1e6,
        positions=40_960,
    ),
    # Small enough for a test, with grouped heads and a head of its own.
    "tiny": ModelConfig(vocab_size=512, embed=64, layers=2, heads=8, kv_heads=4, head_dim=16, mlp=128, positions=256),
}

# Hub id -> preset.
HUB = {
    "deepseek-ai/deepseek-math-7b-base": "deepseekmath-7b",
    "deepseek-ai/deepseek-math-7b-instruct": "deepseekmath-7b",
    "deepseek-ai/deepseek-math-7b-rl": "deepseekmath-7b",
    "HuggingFaceTB/SmolLM2-135M": "smollm2-135m",
    "HuggingFaceTB/SmolLM2-135M-Instruct": "smollm2-135m",
    "meta-llama/Llama-3.1-8B": "llama-3.1-8b",
    "mistralai/Mistral-7B-v0.1": "mistral-7b",
    "Qwen/Qwen2.5-Math-PRM-7B": "qwen2.5-math-prm-7b",
    "Qwen/Qwen3-8B": "qwen3-8b",
}
