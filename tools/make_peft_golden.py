"""Writes tests/golden/peft_adapter, an adapter of the embedded model that peft trained, and its logits. Needs `make parity`."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import peft
import torch
import transformers

ROOT = pathlib.Path(__file__).parent.parent
OUTPUT = ROOT / "tests" / "golden" / "peft_adapter"
BASE = ROOT / "jorney" / "embedded"


def main() -> None:
    torch.manual_seed(0)
    base = transformers.AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32, trust_remote_code=False)
    config = peft.LoraConfig(r=2, lora_alpha=8, target_modules=["q_proj", "o_proj", "down_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(base, config)
    tokenizer = transformers.AutoTokenizer.from_pretrained(BASE, trust_remote_code=False)
    text = "Question:\nMake 38 from 4, 13, 22, 25.\nAnswer:\nLet's think step by step.\n1. 22 + 25 = 47 (left: 4, 13, 47)\n"
    tokens = torch.tensor([tokenizer(text)["input_ids"]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-2)
    for _ in range(20):
        loss = model(tokens, labels=tokens).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval()
    with torch.no_grad():
        logits = model(tokens).logits.numpy()
    model.save_pretrained(OUTPUT)
    (OUTPUT / "README.md").unlink(missing_ok=True)
    file = OUTPUT / "adapter_config.json"
    fields = json.loads(file.read_text())
    fields["base_model_name_or_path"] = "embedded"  # the place of this checkout is nobody else's
    file.write_text(json.dumps(fields, indent=2) + "\n")
    np.savez_compressed(OUTPUT.with_suffix(".npz"), tokens=tokens.numpy().astype(np.int32), logits=logits[:, ::4])
    print(f"loss {loss.item():.4f}, {logits.shape}")


if __name__ == "__main__":
    main()
