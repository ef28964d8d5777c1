"""Runs a command and says what it cost, measured from outside: wall time, core time (user + system), peak memory.

python tools/measure.py COMMAND [ARGUMENTS]
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    started = time.monotonic()
    try:
        code = subprocess.run(sys.argv[1:], check=False).returncode
    except KeyboardInterrupt:
        code = 130
    wall, used = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    # The largest process, in kibibytes on Linux, in bytes on macOS.
    peak = used.ru_maxrss / (1 << 30 if sys.platform == "darwin" else 1 << 20)
    cores = (used.ru_utime + used.ru_stime) / 60
    print(f"took {wall / 60:.1f} minutes, {cores:.1f} core-minutes, {peak:.2f} GiB at the peak")
    return code


if __name__ == "__main__":
    sys.exit(main())
