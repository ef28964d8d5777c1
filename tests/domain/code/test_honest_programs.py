"""Programs as they are meant: what they use works, and what they are asked reaches them."""

from __future__ import annotations

import time

import pytest
from tested_programs import known

from jorney.domain.code.sandbox import ProgramRunner

HONEST = {
    "a function": ("def f(a, b=2): return a + b", "assert f(1) == 3\nassert f(1, b=5) == 6\nassert f(*[1], **{'b': 0}) == 1"),
    "imports": (
        "import re, math, heapq, itertools, collections, bisect, sqlite3, difflib, textwrap\n"
        "from typing import List, Optional\n"
        "def f(x: List[int]) -> Optional[float]: return math.sqrt(sum(x)) if re.match('a', 'ab') else None",
        "assert abs(f([4, 5]) - 3) < 1e-9\nassert math.isclose(f([2, 2]), 2)",
    ),
    "types of data": (
        "from fractions import Fraction\nfrom decimal import Decimal\nimport datetime\nfrom collections import *\n"
        "P = namedtuple('P', 'x y')\n"
        "def f():\n return [None, True, 1, 2**5000, -1.5, 'é\\ud800', b'a', (1,), {1: {2}}, {3, (4, 5)}, frozenset([1]), 1j,"
        " Fraction(1, 3), Decimal('0.1'), range(3), deque([1]), datetime.date(2020, 1, 2), datetime.timedelta(1), P(1, 2),"
        " Counter('aab'), bytearray(b'b'), datetime.datetime(2020, 1, 2, 3), OrderedDict(a=1), int]",
        "from fractions import Fraction\nfrom decimal import Decimal\nimport datetime\nfrom collections import deque\n"
        "assert f() == [None, True, 1, 2**5000, -1.5, 'é\\ud800', b'a', (1,), {1: {2}}, {3, (4, 5)}, frozenset([1]), 1j,"
        " Fraction(1, 3), Decimal('0.1'), range(3), deque([1]), datetime.date(2020, 1, 2), datetime.timedelta(1), (1, 2),"
        " {'a': 2, 'b': 1}, bytearray(b'b'), datetime.datetime(2020, 1, 2, 3), {'a': 1}, int]\n"
        "assert type(f()[1]) is bool and type(f()[2]) is int and type(f()[9]) is set",
    ),
    "floats": (
        "def f(x): return [x, -x, x - x, -0.0, 0.1 + 0.2]",
        "import math\na = f(math.inf)\nassert a[0] == math.inf and a[1] == -math.inf and math.isnan(a[2])\n"
        "assert str(a[3]) == '-0.0' and a[4] == 0.30000000000000004",
    ),
    "in place": (
        "def f(x, d, s): x.sort(); d['k'] = x[0]; s.add(9)",
        "x, d, s = [3, 1, 2], {}, {1}\nassert f(x, d, s) is None\nassert x == [1, 2, 3] and d == {'k': 1} and s == {1, 9}",
    ),
    "generators": (
        "def f():\n k = 0\n while True:\n  yield k\n  k += 1\ndef g(): yield from 'ab'",
        "import itertools\nassert list(itertools.islice(f(), 3)) == [0, 1, 2]\nit = f()\n"
        "assert next(it) == 0 and next(it) == 1\n"
        "assert list(g()) == ['a', 'b']\nassert 'b' in g()",
    ),
    "errors": (
        "class Own(ValueError): pass\ndef f(x):\n if x == 1: raise ValueError('no', 3)\n"
        " if x == 2: raise Own('own')\n return {}[x]",
        "try: f(1); assert False\nexcept ValueError as e: assert e.args == ('no', 3)\n"
        "try: f(2); assert False\nexcept ValueError as e: assert str(e) == 'own'\n"
        "try: f(3); assert False\nexcept KeyError as e: assert e.args == (3,)\n"
        "try: f(); assert False\nexcept TypeError: pass",
    ),
    "classes": (
        "class Pair(object):\n def __init__(self, a, b): self.a = a; self.b = b\n"
        "def f(arr, n):\n best = [1] * n\n for i in range(1, n):\n  for j in range(i):\n"
        "   if arr[i].a > arr[j].b: best[i] = max(best[i], best[j] + 1)\n return max(best)",
        "assert f([Pair(5, 24), Pair(15, 25), Pair(27, 40), Pair(50, 60)], 4) == 3\np = Pair(1, 2)\np.a += 4\n"
        "assert p.a == 5\n"
        "assert isinstance(p, Pair) and not isinstance(3, Pair) and p == p and p != Pair(5, 2)",
    ),
    "trees": (
        "class Node:\n def __init__(self, data): self.data = data; self.left = None; self.right = None\n"
        "def f(root): return 0 if root is None else 1 + max(f(root.left), f(root.right))",
        "assert f(root) == 3 and f(root.left) == 2 and f(None) == 0 and root.left.right is None and root.left is root.left",
        "root = Node(1)\nroot.left = Node(2)\nroot.left.left = Node(3)",
    ),
    "methods": (
        "class Stack:\n def __init__(self): self.all = []\n def push(self, x): self.all.append(x); return self\n"
        " def __len__(self): return len(self.all)\n def __getitem__(self, k): return self.all[k]\n"
        " def __str__(self): return 'S'\n"
        "def f(): return Stack()",
        "s = f()\nassert not s\ns.push(1).push([2])\n"
        "assert len(s) == 2 and s[1] == [2] and list(s) == [1, [2]] and s.all[0] == 1\n"
        "assert str(s) == 'S' and f'{s}' == 'S' and bool(s)",
    ),
    "functions": (
        "def f(g, x): return sorted(x, key=g)\ndef adder(n): return lambda k: k + n\ndef g(kind): return kind('3')",
        "import operator\nassert f(len, ['aa', 'b']) == ['b', 'aa'] and f(operator.neg, [1, 2]) == [2, 1]\n"
        "assert adder(3)(4) == 7 and g(int) == 3 and g(float) == 3.0",
    ),
    "a match": (
        "import re\ndef f(s): return re.search('b+', s)",
        "assert f('abb') and f('abb').group() == 'bb'\nassert not f('a')",
    ),
    "dataclasses": (
        "from __future__ import annotations\nimport dataclasses, enum, abc\n@dataclasses.dataclass(order=True)\n"
        "class D:\n x: int = 0\n"
        "class E(enum.IntEnum):\n A = 1\n"
        "def f(k): return [D(k) < D(k + 1), dataclasses.asdict(D(k)), E.A, dataclasses.astuple(D())]",
        "assert f(2) == [True, {'x': 2}, 1, (0,)]",
    ),
    "a file": (
        "import os, tempfile\ndef f(t):\n with open('a.txt', 'w') as file: file.write(t)\n"
        " with tempfile.TemporaryFile('w+') as file: file.write(t); file.seek(0); t = file.read()\n"
        " return open('a.txt').read() + t",
        "assert f('ab') == 'abab'",
    ),
    "threads and processes": (
        "import concurrent.futures as c, subprocess\ndef f(x):\n"
        " with c.ThreadPoolExecutor(3) as pool: x = list(pool.map(abs, x))\n"
        " return x, subprocess.run(['echo', 'a'], capture_output=True, text=True).stdout",
        "assert f([-1, 2]) == ([1, 2], 'a\\n')",
    ),
    "a builtin's name": ("def sum(a, b): return a + b", "assert sum(1, 2) == 3", "", "sum"),
    "a name at the top": ("LIMIT = 3\ndef f(): return LIMIT", "assert LIMIT == 3 and f() == LIMIT"),
    "prints and reads nothing": (
        "import sys\nprint('a' * 10**6)\ndef f(): print(1, file=sys.stderr); return sys.stdin.read()",
        "assert f() == ''",
    ),
    "run as a script": ("def f(): return 1\nif __name__ == '__main__':\n raise SystemExit(input())", "assert f() == 1"),
    "helpers of the tests": (
        "def f(x): return x[::-1]",
        "def same(a, b):\n    return a == b\ndef check(candidate):\n    for k in range(20):\n"
        "        assert same(candidate([k, 1]), [1, k])\ncheck(f)",
    ),
    "deep": ("def f(n): return 0 if n == 0 else 1 + f(n - 1)", "assert f(900) == 900"),
    "large": ("def f(n): return list(range(n))", "assert f(10**5) == list(range(10**5))"),
}


@pytest.mark.parametrize("name", HONEST)
@pytest.mark.parametrize("how", ["runner", "unconfined"])
def test_passes(request: pytest.FixtureRequest, how: str, name: str) -> None:
    one: ProgramRunner = request.getfixturevalue(how)
    one.timeout_seconds = 20
    program, tests, *more = HONEST[name]
    setup, entry = [*more, *("", "f")[len(more) :]]
    assert one.compare(known(tests, entry, setup), program) == ""


def test_what_a_prompt_wrote_out_is_the_tests_own(runner: ProgramRunner) -> None:
    """A program that writes it otherwise does not change what it is measured by."""
    prompt = "import math\n\ndef poly(x):\n    return x - 3\n\ndef f():\n    '''A zero of poly.'''\n"
    asked = known("assert math.fabs(poly(f())) < 1e-9", prompt=prompt)
    assert runner.compare(asked, "def poly(x): return x - 3\ndef f(): return 3") == ""
    assert runner.compare(asked, "def poly(x): return 0\ndef f(): return 7").startswith("AssertionError")
    assert runner.compare(asked, "class math:\n fabs = staticmethod(lambda x: 0)\ndef f(): return 7").startswith(
        "AssertionError"
    )


def test_programs_know_nothing_of_each_other(runner: ProgramRunner) -> None:
    asked = known("assert f() == []")
    program = "import os, sys, builtins\ndef f(): return [*os.listdir('.'), *vars(builtins).get('left', [])]"
    assert runner.compare(asked, program) == ""
    leaving = "import os, builtins\nbuiltins.left = [1]\nopen('left', 'w').close()\ndef f(): return []"
    assert runner.compare(asked, leaving) == ""
    assert runner.compare(asked, program) == ""


def test_a_program_takes_milliseconds(runner: ProgramRunner) -> None:
    asked, program = known("assert f(2) == 3"), "def f(x): return x + 1"
    assert runner.compare(asked, program) == ""
    begun = time.monotonic()
    for _ in range(20):
        assert runner.compare(asked, program) == ""
    assert time.monotonic() - begun < 20 * 0.25  # 0.013 s each, alone on two cores


def test_a_machine_without_namespaces_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from jorney.domain.code import sandbox

    refusing = (
        "from jorney.domain.code.isolation import kernel, server\n"
        "def refuse(flags, what): raise kernel.NotAllowed(what + ': Operation not permitted')\n"
        "kernel.unshare = refuse\nserver.serve(*{})"
    )
    monkeypatch.setattr(sandbox, "_SERVER", refusing)
    one = ProgramRunner()
    for _ in range(2):  # every time that it is asked
        with pytest.raises(ValueError, match=r"does not allow one: .*network.*: .*`--sandbox none` runs them without"):
            one.compare(known("assert f() == 1"), "def f(): return 1")
        assert one.pid is None
    one.isolation = "none"
    assert one.compare(known("assert f() == 1"), "def f(): return 1") == ""
    one.close()
    with pytest.raises(ValueError, match="isolation = 'all': expected 'auto' or 'none'"):
        ProgramRunner(isolation="all").compare(known("1"), "")


def test_a_sandbox_that_does_not_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from jorney.domain.code import sandbox

    monkeypatch.setattr(sandbox, "_SERVER", "import sys; sys.exit(3) # {}")
    with pytest.raises(RuntimeError, match="the sandbox of programs did not start"):
        ProgramRunner().compare(known("1"), "")
