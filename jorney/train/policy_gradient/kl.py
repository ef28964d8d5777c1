"""Estimators of the reverse KL divergence KL(policy || reference) from the log-probabilities of sampled tokens.

See Schulman, "Approximating KL Divergence" (2020), for k1 to k3. That a value is right on average does not make its gradient
right. With tokens that the policy itself drew, on average:

    kind       value                     gradient, as a term of a loss
    k1         KL(policy || reference)   0; so it belongs into the reward (`rewards.reference_penalty`), where it is right
    k2         only near it              that of KL(policy || reference)
    k3         KL(policy || reference)   that of KL(reference || policy)
    k3_ratio   KL(policy || reference)   that of KL(policy || reference)
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

KL_ESTIMATORS = ("k1", "k2", "k3", "k3_ratio")
FURTHEST = 20.0  # log-ratios are cut here, as verl and Tunix do: beyond, ratios would overflow and losses be NaN


def kl_estimate(kind: str, log_probs: jax.Array, reference: jax.Array, log_ratio: jax.Array) -> jax.Array:
    """An estimate for each token.

    Args:
      kind: "k1", "k2", "k3", or "k3_ratio": k3 times the token's ratio to the policy that drew it, through which the gradient
        goes as well (DeepSeek-V3.2, arXiv 2512.02556; TRL's `use_bias_correction_kl`).
      log_probs: of the tokens under the policy.
      reference: those under the reference.
      log_ratio: log-probabilities under the policy less those under the policy that drew the tokens. Where both are the same,
        it is 0 but has a gradient.

    Returns:
      Of the arguments' shape.

    Raises:
      ValueError: an unknown kind.
    """
    away = reference - log_probs
    if kind == "k1":
        return -away
    if kind == "k2":
        return jnp.square(away) / 2
    if kind in ("k3", "k3_ratio"):
        away = jnp.clip(away, -FURTHEST, FURTHEST)
        found = jnp.expm1(away) - away
        return found * jnp.exp(log_ratio) if kind == "k3_ratio" else found
    raise ValueError(f"kl = {kind!r}: expected one of {', '.join(KL_ESTIMATORS)}")
