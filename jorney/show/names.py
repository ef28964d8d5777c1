"""What report.json and experiment.json call models and controls."""

from __future__ import annotations

BASE, PHASE1, SHORTCUT, JOURNEY, DPO = "base", "sft_phase1", "phase2_shortcut", "phase2_journey", "dpo"
MATCHED, PLACEBO, UNTIL, PASS = "shortcut_token_matched", "placebo_journey", "resampled_until_target", "pass_at_n"
BUDGETS = (40, 60, 80, 100, 120, 160, 200, 240, 320)  # tokens a problem, of the curves in experiment.json
