"""The quickstart as a configuration file, a place to start from.

Command:   jorney run configs/quickstart.py            (the same as: jorney quickstart)
Hardware:  two CPU cores, 4 GB (3.1 GiB at the peak), 9 minutes
Result:    the README's table; report in runs/quickstart/
"""

from jorney.run.recipes.journey import RunConfig, quickstart


def config() -> RunConfig:
    return quickstart()
