"""The registry of work: every command by its name, and the class that it is. Modules are imported when they are needed."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Sequence

from jorney.run.command import Command
from jorney.run.options import HELP, near

COMMANDS = {
    "quickstart": "recipes.journey:Quickstart",
    "run": "recipes.run_file:RunFile",
    "experiment": "recipes.experiment.write:ExperimentCommand",
    "expand": "stages.expansion:ExpandCommand",
    "judge": "stages.judges.rerating:JudgeCommand",
    "trees validate": "commands.tree_files:ValidateCommand",
    "trees import": "commands.tree_files:ImportTreesCommand",
    "trees export": "commands.tree_files:ExportTreesCommand",
    "trees stats": "commands.tree_files:StatsCommand",
    "trees schema": "commands.tree_files:SchemaCommand",
    "derive": "stages.derivation:DeriveCommand",
    "refine": "stages.refinement:RefineCommand",
    "thoughts tree": "stages.derivation:DeriveCommand",
    "thoughts propose-critique": "stages.thoughts.talking:ProposeCritiqueCommand",
    "thoughts student-teacher": "stages.thoughts.talking:StudentTeacherCommand",
    "thoughts human": "stages.thoughts.talking:HumanCommand",
    "thoughts score": "stages.thoughts.score:ScoreCommand",
    "thoughts dedupe": "stages.thoughts.care:DedupeCommand",
    "thoughts mix": "stages.thoughts.care:MixCommand",
    "thoughts diversity": "stages.thoughts.care:DiversityCommand",
    "analyse": "stages.thoughts.analysing:AnalyseCommand",
    "sft": "stages.fine_tuning:SftCommand",
    "pairs": "stages.pairing:PairsCommand",
    "dpo": "stages.preferences:DpoCommand",
    "grpo": "stages.reinforcement:GrpoCommand",
    "prm": "stages.judges.reward_training:PrmCommand",
    "prm train": "stages.judges.reward_training:PrmCommand",
    "prm label": "stages.judges.labelling:PrmLabelCommand",
    "prm eval": "stages.judges.prm_eval:PrmEvalCommand",
    "evaluate": "stages.evaluation:EvaluateCommand",
    "compare": "commands.comparing:CompareCommand",
    "search": "stages.searching:SearchCommand",
    "generate": "commands.generation:GenerateCommand",
    "view": "commands.viewing:ViewCommand",
    "inspect": "commands.checkpoints:InspectCommand",
    "convert": "commands.checkpoints:ConvertCommand",
    "export": "commands.checkpoints:ExportCommand",
    "push": "commands.pushing:PushCommand",
    "plan": "commands.machines:PlanCommand",
    "bench train": "commands.machines:BenchTrainCommand",
    "bench sample": "commands.machines:BenchSampleCommand",
    "bench all": "commands.machines:BenchAllCommand",
    "completion": "commands.completion:CompletionCommand",
}

SCREEN = """usage: jorney COMMAND [OPTIONS]

everything at once
  quickstart            the whole pipeline on a laptop, with the embedded model
  run CONFIG.py         what a configuration file holds: a pipeline or a stage
  experiment FILE.py    journeys against shortcuts, by a protocol
trees and thoughts
  expand                grow reasoning trees of problems, judged and pruned
  judge                 rate trees again: exactly, by a reward model, by an LLM
  trees ACTION FILE...  validate, import, export, stats, schema
  derive                shortcuts and journeys from trees
  refine                thoughts in a language model's words, checked
  thoughts KIND         make: tree, propose-critique, student-teacher, human;
                        look after: score, dedupe, mix, diversity
  analyse FILE...       what texts are made of, side by side
training
  sft                   fine-tuning on thoughts, solutions, chats or texts
  pairs                 preference pairs of a model's own samples
  dpo                   preferences: given pairs, or pairs of its own samples
  grpo                  reinforcement: a model learns from what it writes
  prm                   a process reward model, from rollouts or labels
  prm label             label the steps of solutions, by rollouts
  prm eval              how good a reward model is on labelled solutions
answers
  evaluate              a model's accuracy on problems
  compare RUN RUN...    evaluations, paired on their problems
  search                the same with search: best of N, beams, trees
  generate TEXT...      completions of prompts
  view PATH...          runs in a browser: trees, thoughts, outputs, curves
checkpoints and machines
  inspect MODEL         what a checkpoint holds, and where it fits
  convert MODEL DIR     a Hugging Face checkpoint into Jorney's own
  export MODEL DIR      a checkpoint into a Hugging Face folder
  push MODEL USER/NAME  a model on the hub, with a card
  plan CONFIG.py        what its programs need of a TPU, compiled for it
  bench train|sample|all   throughput: a training step, growing trees, all hosts
  completion SHELL      completion of commands and options: bash or zsh

jorney COMMAND --help lists a command's options, those that people change first
on top. Stages take a configuration file: jorney sft CONFIG.py [OPTIONS]."""


def command(name: str) -> type[Command]:
    """The command of a name."""
    module, _, kind = COMMANDS[name].partition(":")
    found: type[Command] = getattr(importlib.import_module(f"jorney.run.{module}"), kind)
    return found


def run(words: Sequence[str]) -> None:
    """Does what the words of a command line say.

    Raises:
      FileNotFoundError, ValueError: name the command, file, option or place, and what was expected.
    """
    if words[0].startswith("-"):
        raise ValueError(f"{words[0]} stands before the command: expected jorney COMMAND [OPTIONS]")
    if (name := " ".join(words[:2])) in COMMANDS:
        command(name).main(words[2:])
        return
    kinds = [name.partition(" ")[2] for name in COMMANDS if name.startswith(words[0] + " ")]
    named = len(words) > 1 and not words[1].startswith("-")
    means_kind = bool(kinds) and named and not words[1].endswith(".py")  # one that there is not
    if words[0] in COMMANDS and not means_kind:
        command(words[0]).main(words[1:])
        return
    if not kinds:
        raise ValueError(f"unknown command {words[0]!r}{near(words[0], COMMANDS)} (jorney --help lists all)")
    usage = f"jorney {words[0]} {'|'.join(kinds)} [OPTIONS]"
    if words[1:2] and words[1] in HELP:
        shown = textwrap.fill(f"usage: {usage}", 80, subsequent_indent="    ", break_on_hyphens=False, break_long_words=False)
        print(f"{shown}\n\njorney {words[0]} {kinds[0]} --help lists the options of {kinds[0]}")
        return
    wrong = f"{words[1]!r} is no kind of {words[0]}{near(words[1], kinds)}" if named else "one word is missing"
    raise ValueError(f"jorney {words[0]}: {wrong} (expected {usage})")
