"""The experiment's protocol: do journeys teach more than shortcuts from the same trees?

Command:   make experiment                  (jorney experiment configs/experiment.py --problems final)
Hardware:  two CPU cores, 4 GB, a few hours; the same command goes on where it was stopped
Result:    runs/experiment/experiment.html; a draft, not run to its end yet

Settings are to be chosen on the set "tuning" (`--problems tuning`, in another --output) before the set "final" is opened; the
page says how often that was done from its folder.

Hypothesis: a model that learns journeys solves at least 8 points more of the held-out problems than one that learns shortcuts
from the same trees, on the mean over seeds; it leads with every seed; and the pooled 95% interval, a bootstrap over clusters
of problems with the same numbers, lies above 0. Controls: shortcuts with as many tokens of training, placebo journeys, the
shortcut model asked again with as many generated tokens, and pass@n of it, which nothing that picks among attempts can beat.
"""

import dataclasses

from jorney.data.countdown import Countdown
from jorney.evaluate.resample import ResampleConfig
from jorney.pipeline import RunConfig, quickstart
from jorney.study.protocol import Abroad, Dose, Protocol


def setting() -> RunConfig:
    """The main comparison: 2,000 trees of the model after phase 1."""
    small = quickstart()
    expand = dataclasses.replace(small.expand, prune=dataclasses.replace(small.expand.prune, explore_wrong=8))
    return dataclasses.replace(
        small,
        problems=dataclasses.replace(small.problems, trees_count=2000),
        expand=expand,
        long_tokens=256,
        resample=ResampleConfig(attempts=8),
    )


def doses(run: RunConfig) -> list[Dose]:
    """What is varied, one thing at a time."""

    def derived(**fields: object) -> RunConfig:
        return dataclasses.replace(run, derive=dataclasses.replace(run.derive, **fields))

    both = ("journey", "shortcut")
    return [
        *(Dose("thoughts", f"{count:,}", run, both, thoughts=count) for count in (125, 250, 500, 1000, 2000)),
        *(Dose("K", str(k), derived(trials=k)) for k in (1, 2, 3, 4)),
        *(Dose("excursions", kind, derived(excursion=kind)) for kind in ("sampled", "always", "one-step")),
        *(
            Dose("loss on excursions", "on" if on else "off", dataclasses.replace(run, excursion_loss=on))
            for on in (True, False)
        ),
        *(Dose("phase 1", "with" if on else "without", run, both, phase1=on) for on in (True, False)),
    ]


def config() -> Protocol:
    run = setting()
    return Protocol(
        run=run,
        doses=tuple(doses(run)),
        abroad=(
            Abroad("target 24", Countdown(smallest_target=24, largest_target=24), count=100),
            Abroad("targets 21 to 60", Countdown(smallest_target=21, largest_target=60), count=500),
            Abroad("five numbers", Countdown(count=5), count=500),
        ),
    )
