"""The quickstart as a configuration file, a place to start from.

Command:   jorney run configs/quickstart.py            (the same as: jorney quickstart)
Hardware:  two CPU cores, 2 GB
Result:    see the README; report in runs/quickstart/
"""

from jorney.pipeline import RunConfig, quickstart


def config() -> RunConfig:
    return quickstart()
