"""Programs that try to pass tests without an answer, to get out, or to stay. {name} is filled in by the tests.

Those of CHEATS and GREED do no harm where limits alone confine them; those of ESCAPES are for a sandbox.
"""

from __future__ import annotations

_SLEEPER = "os.execv('/bin/sleep', ['sleep', '{marker}'])"

CHEATS = {
    "prints a verdict": "import sys\nprint('\"\"')\nprint('passed', file=sys.stderr)\ndef f(x):\n print('ok')\n return None",
    "writes to every descriptor": """
import os
def f(x):
    for fd in range(256):
        for forged in (b'""', b'\\0\\0\\0\\0\\0\\0\\0\\x02""', b'\\0\\0\\0\\0\\0\\0\\0\\x0f{{"value": null}}'):
            try: os.write(fd, forged)
            except OSError: pass
""",
    "exits at once": "raise SystemExit(0)",
    "sys.exit": "import sys\ndef f(x): sys.exit(0)",
    "os._exit at once": "import os\nos._exit(0)",
    "os._exit": "import os\ndef f(x): os._exit(0)",
    "exits by quit": "def f(x): quit()",
    "raises KeyboardInterrupt": "def f(x): raise KeyboardInterrupt",
    "raises AssertionError": "def f(x): raise AssertionError",
    "raises StopIteration": "def f(x): raise StopIteration",
    "equal to all": "class A:\n def __eq__(self, other): return True\n __hash__ = None\ndef f(x): return A()",
    "equal the other way too": """
class A:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __gt__ = __le__ = __ge__ = __lt__
    def __bool__(self): return True
    def __len__(self): return 1
    def __iter__(self): return iter([self])
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
def f(x): return A()
""",
    "a text that equals all": """
class S(str):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
def f(x): return S('no')
""",
    "a number that equals all": "class I(int):\n def __eq__(self, o): return True\n __hash__ = int.__hash__\n"
    "def f(x): return I(7)",
    "a list that equals all": "class L(list):\n def __eq__(self, o): return True\ndef f(x): return L([1])",
    "mock.ANY": "from unittest.mock import ANY\ndef f(x): return ANY",
    "a metaclass": "class M(type):\n def __eq__(c, o): return True\n __hash__ = type.__hash__\n"
    "class A(metaclass=M): pass\ndef f(x): return A",
    "a name of another's object": """
import sys
from jorney.domain.code.isolation import program
program._Objects._other = lambda self, value: {{"standard": "unittest.mock:ANY"}}
def f(x): return object()
""",
    "a number of no object": """
from jorney.domain.code.isolation import program
program._Objects._other = lambda self, value: {{"handle": 10**9}}
def f(x): return object()
""",
    "builtins in its own": """
import builtins
builtins.len = builtins.sorted = builtins.all = builtins.any = builtins.abs = lambda *a, **k: True
builtins.AssertionError = type('A', (Exception,), {{}})
def f(x): return None
""",
    "names of builtins": "def f(x): return 0\ndef len(x): return 3\ndef sorted(x, **k): return [1]\n"
    "def isinstance(a, b): return True",
    "check of its own": "def f(x): return 0\ndef check(candidate): pass\ndef expected(): return 0",
    "walks frames": """
import inspect, sys, gc
def f(x):
    frame = inspect.currentframe()
    while frame:
        for space in (frame.f_locals, frame.f_globals):
            for value in list(space.values()):
                if isinstance(value, str) and 'only the tests' in value: return value
                if isinstance(value, dict) and 'tests' in value: return value['tests']
        frame = frame.f_back
    for one in gc.get_objects():
        if isinstance(one, dict):
            for value in list(one.values()):
                if isinstance(value, str) and value.startswith('what only the'): return value
""",
    "searches its memory": """
def f(x):
    needle = b'what only ' + b'the tests know '
    try: spans = open('/proc/self/maps').read().splitlines()
    except OSError: return None
    memory = open('/proc/self/mem', 'rb', 0)
    for line in spans:
        low, _, high = line.split()[0].partition('-')
        if ' rw' in line:
            try:
                memory.seek(int(low, 16)); body = memory.read(int(high, 16) - int(low, 16))
            except OSError: continue
            at = body.find(needle + b'{secret_tail}'[:4])
            if at >= 0: return body[at:at + 200].split(b"'")[0].decode('latin1')
""",
    "replaces json and os.write": """
import json, os, socket
json.dumps = lambda *a, **k: '""'
json.loads = lambda *a, **k: {{}}
os.write = lambda fd, data: len(data)
def f(x): return None
""",
    "answers twice": """
from jorney.domain.code.isolation import frames
real = frames.write
def write(channel, message):
    real(channel, message); real(channel, {{"value": None}}); real(channel, "")
frames.write = write
def f(x): return None
""",
    "no JSON": "from jorney.domain.code.isolation import frames\n"
    "frames.write = lambda c, m: c.sendall(b'\\0' * 7 + b'\\x03{{{{{{')\ndef f(x): return 1",
    "says it is long": "from jorney.domain.code.isolation import frames\nframes.write = lambda c, m: c.sendall(b'\\xff' * 8)\n"
    "def f(x): return 1",
    "nests deeply": "def f(x):\n a = []\n for _ in range(10**5): a = [a]\n return a",
    "holds itself": "def f(x):\n a = []\n a.append(a)\n return a",
    "catches everything": """
import signal
for number in (signal.SIGTERM, signal.SIGALRM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU, signal.SIGUSR1):
    signal.signal(number, signal.SIG_IGN)
def f(x):
    while True:
        try:
            while True: pass
        except BaseException: pass
""",
    "closes every descriptor": "import os\ndef f(x):\n os.closerange(0, 4096)\n return None",
    "aborts": "import os\ndef f(x): os.abort()",
    "reads a null pointer": "import ctypes\ndef f(x): return ctypes.string_at(0)",
    "no program": "this is no program",
    "nothing": "",
}

GREED = {
    "sleeps": "import time\ndef f(x): time.sleep(1000)",
    "sleeps at once": "import time\ntime.sleep(1000)",
    "runs for ever": "def f(x):\n while True: pass",
    "counts for ever in C": "def f(x): return sum(iter(int, 1))",
    "a power": "def f(x): return 9 ** 9 ** 9",
    "recurses": "def f(x): return f(x)",
    "recurses without a limit": "import sys\nsys.setrecursionlimit(10**9)\ndef f(x): return f(x)",
    "takes memory": "def f(x):\n a = []\n while True: a.append(bytearray(10**7))",
    "takes memory at once": "def f(x): return len(bytes(10**12))",
    "answers without end": "def f(x): return 'a' * (200 << 20)",
    "one large file": "def f(x):\n with open('a', 'wb') as file:\n  while True: file.write(bytes(1 << 20))",
    "prints without end": "def f(x):\n while True: print('a' * 10**6)",
    "threads that never end": """
import threading, time
def f(x):
    for _ in range(100):
        try: threading.Thread(target=time.sleep, args=(1000,)).start()
        except RuntimeError: break
    while True: time.sleep(1)
""",
    "a double fork": f"""
import os
def f(x):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0: {_SLEEPER}
        os._exit(0)
""",
    "a daemon that lets go": f"""
import os, signal
def f(x):
    for _ in range(5):
        if os.fork() == 0:
            os.setsid(); os.chdir('/'); os.closerange(0, 4096); signal.signal(signal.SIGHUP, signal.SIG_IGN)
            if os.fork() == 0: {_SLEEPER}
            os._exit(0)
    os._exit(0)
""",
    "a child that holds on": f"import os\nif os.fork() == 0: {_SLEEPER}\ndef f(x): return 0",
    "a folder that cannot be entered": """
import os
def f(x):
    os.makedirs('a/b/c'); open('a/b/c/d', 'w').close(); os.chmod('a/b/c', 0); os.chmod('a/b', 0); os.chmod('a', 0)
""",
    "links out of the folder": """
import os
def f(x):
    os.symlink('{folder}', 'a'); os.symlink('{canary}', 'b'); os.symlink('/', 'c'); os.symlink('c', 'd'); os.mkdir('e')
    os.symlink('..', 'e/f')
""",
    "a deep folder": "import os\ndef f(x):\n for _ in range(500):\n  os.mkdir('a'); os.chdir('a')",
}

ESCAPES = {
    "a fork bomb": "import os\ndef f(x):\n while True:\n  try: os.fork()\n  except OSError: pass",
    "a fork bomb of sessions": """
import os
def f(x):
    while True:
        try:
            if os.fork() == 0: os.setsid()
        except OSError: pass
""",
    "processes that take memory": """
import os, time
def f(x):
    for _ in range(20):
        if os.fork() == 0:
            a = bytearray(200 << 20)
            for k in range(0, len(a), 4096): a[k] = 1
            time.sleep(1000)
    time.sleep(1000)
""",
    "fills the disk": """
def f(x):
    for k in range(10**6):
        with open(str(k), 'wb') as file: file.write(bytes(20 << 20))
""",
    "a million files": "def f(x):\n for k in range(10**6): open(str(k), 'w').close()",
    "kills its parent": "import os, signal\ndef f(x):\n os.kill(os.getppid(), signal.SIGKILL)",
    "kills all": "import os, signal\ndef f(x):\n os.kill(-1, signal.SIGKILL)",
    "kills one by one": """
import os, signal
def f(x):
    for pid in range(2, 40000):
        try: os.kill(pid, signal.SIGKILL)
        except OSError: pass
""",
    "reads environments": """
import os, glob
def f(x):
    text = str(dict(os.environ))
    for name in glob.glob('/proc/*/environ') + glob.glob('/proc/*/cmdline'):
        try: text += open(name, 'rb').read().decode('latin1')
        except OSError: pass
    if 'what-is-secret' in text: open('/tmp/x', 'w'); return '{expected}'
    raise ValueError(text)
""",
    "reads a secret": """
import os
def f(x):
    for path in ('{secret}', '/etc/shadow', '/proc/1/root{secret}', '/.old{secret}', '/proc/self/cwd/../..{secret}'):
        try: text = open(path).read()
        except OSError: continue
        return '{expected}'
""",
    "lists what it may not": """
import os
def f(x):
    for path in ('{folder}', os.path.dirname('{folder}'), '/home', '/etc/passwd', '/sys', '/var', '/run'):
        if os.path.exists(path) and path != '/tmp': return '{expected}'
""",
    "writes to the canary": """
import os, shutil
def f(x):
    for path in ('{canary}', '{folder}/new', '{outside}'):
        try: open(path, 'w').write('gone'); os.unlink(path)
        except OSError: pass
    shutil.rmtree('{folder}', ignore_errors=True)
    shutil.rmtree('/', ignore_errors=True)
""",
    "writes to Python": """
import os, sys
def f(x):
    for path in (os.__file__, os.path.dirname(os.__file__) + '/zz_new.py', '/usr/zz_new', '/zz_new'):
        try: open(path, 'a').close()
        except OSError: continue
        return '{expected}'
""",
    "speaks to a server": """
import socket
def f(x):
    for where in (('127.0.0.1', {port}), ('localhost', {port}), ('::1', {port}), ('192.0.2.1', 80), ('8.8.8.8', 53)):
        try: socket.create_connection(where, 0.3).send(b'hello')
        except OSError: continue
        return '{expected}'
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try: one.sendto(b'hello', ('127.0.0.1', {port}))
    except OSError: pass
""",
    "abstract sockets": """
import socket
def f(x):
    one = socket.socket(socket.AF_UNIX)
    try: one.connect('\\0{marker}')
    except OSError: return None
    return '{expected}'
""",
    "writes to others' memory": """
import os, ctypes
def f(x):
    libc = ctypes.CDLL(None, use_errno=True)
    for pid in range(1, 3000):
        if pid == os.getpid(): continue
        if libc.ptrace(16, pid, 0, 0) == 0: return '{expected}'
        try: open(f'/proc/{{pid}}/mem', 'r+b').write(b'a')
        except OSError: continue
        return '{expected}'
""",
    "gets privileges": """
import os, ctypes
def f(x):
    libc = ctypes.CDLL(None, use_errno=True)
    gained = []
    for name in ('setuid', 'setgid'):
        try: getattr(os, name)(0)
        except OSError: continue
        if {root}: gained.append(name)
    if libc.mount(b'tmpfs', b'/usr', b'tmpfs', 0, None) == 0: gained.append('mount')
    if libc.umount2(b'/tmp', 2) == 0: gained.append('umount')
    if libc.unshare(0x10000000 | 0x00020000) == 0:
        for name in ('/tmp', '/proc', '/usr'):
            if libc.umount2(name.encode(), 2) == 0: gained.append(name)
        libc.mount(b'proc', b'/proc', b'proc', 0, None)
        if os.path.exists('/proc/1/environ') and os.getpid() != 1: gained.append('proc')
        os.makedirs('/tmp/m', exist_ok=True)
    try: os.chroot('/tmp'); os.chroot('..')
    except OSError: pass
    if gained: return '{expected}'
""",
    "asks for its own death to be forgotten": f"""
import os, ctypes
def f(x):
    ctypes.CDLL(None).prctl(1, 0)
    if os.fork() == 0: os.setsid(); {_SLEEPER}
""",
    "shared memory": """
import ctypes
def f(x):
    libc = ctypes.CDLL(None)
    libc.shmat.restype = ctypes.c_void_p
    for _ in range(100):
        one = libc.shmget(0, 50 << 20, 0o1600)
        if one < 0: break
        at = libc.shmat(one, None, 0)
        if at in (None, 2**64 - 1): break
        ctypes.memset(at, 1, 50 << 20); libc.shmdt(ctypes.c_void_p(at))
    while True: pass
""",
}
