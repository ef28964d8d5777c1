"""The program that a response states."""

from __future__ import annotations

import pytest

from jorney.domain.code.program_extraction import program_of

PROMPT = '''from typing import List


def twice(x: List[int]) -> List[int]:
    """ Each two times.
    >>> twice([1])
    [2]
    """
'''
META = {"prompt": PROMPT, "entry_point": "twice"}
BODY = "    y = [2 * k for k in x]\n    return y\n"
DEFINED = f"def twice(x: List[int]) -> List[int]:\n{BODY}"
RIGHT = {
    "a completion": BODY,
    "without its first indentation": BODY.lstrip(),
    "without any": "y = [2 * k for k in x]\nreturn y",
    "a blank line before": "\n" + BODY,
    "tabs": "\ty = [2 * k for k in x]\n\treturn y\n",
    "a loop without its first indentation": "y = []\n    for k in x:\n        y.append(2 * k)\n    return y",
    "a loop first": "for k in x:\n        pass\n    return [2 * k for k in x]",
    "a loop without any": "y = []\nfor k in x:\n    y.append(2 * k)\nreturn y",
    "goes on with another function": BODY + "\n\ndef main():\n    this is broken\n",
    "goes on with a test": BODY + "\nprint(twice([1]))\nassert False\n",
    "goes on with a comment": BODY + "\n# what else\nx = = 3\n",
    "goes on with a script": BODY + "\nif __name__ == '__main__':\n    raise\n",
    "ends with a fence": BODY + "```\n\nThis doubles each.",
    "the whole prompt again": PROMPT + BODY,
    "only the function": DEFINED,
    "a block": f"Here it is:\n\n```python\n{PROMPT}{BODY}```\nIt doubles each.",
    "a block without imports": f"```python\n{DEFINED}```",
    "a block that goes on": f"```python\n{BODY}```",
    "a block that goes on, flush": "```python\ny = [2 * k for k in x]\nreturn y\n```",
    "a block without a language": f"Sure!\n```\n{DEFINED}\n```",
    "a block in capitals": f"```Python\n{DEFINED}\n```",
    "a block that is not closed": f"```python\n{DEFINED}",
    "a block within a list": "1. So:\n\n   ```python\n" + "".join(f"   {line}\n" for line in DEFINED.splitlines()) + "   ```\n",
    "an example behind": f"```python\n{DEFINED}```\nUse it so:\n```python\nprint(twice([1]))\n```\n```\n[2]\n```",
    "a try before": f"```python\ndef twice(x):\n    return x\n```\nNo, rather\n```python\n{DEFINED}```",
    "a shell's block": f"```bash\npip install x\n```\n```python\n{DEFINED}```\n```text\n[2]\n```",
    "helpers": f"```python\ndef one(k):\n    return 2 * k\n\n{DEFINED.replace('2 * k', 'one(k)')}```",
    "helpers behind": f"```python\n{DEFINED.replace('2 * k', 'one(k)')}\n\ndef one(k):\n    return 2 * k\n```",
    "a future import": f"```python\nfrom __future__ import annotations\nimport math\n{DEFINED}```",
    "an import of its own": f"```python\nimport math\n\n{DEFINED}```",
    "prose around": f"The function doubles each number.\n\n{DEFINED}\nThis works because 2x is x + x.\n",
    "thoughts": f"<think>\n```python\ndef twice(x): return 1\n```\n</think>\n```python\n{DEFINED}```",
    "windows": f"```python\n{DEFINED}```".replace("\n", "\r\n"),
    "marks": f"[BEGIN]\n{DEFINED}[DONE]\n\nYou are an expert.\n[BEGIN]"[: -len("\n[BEGIN]")],
    "within a block that its prompt opened": f"{DEFINED}```\n\nThis doubles each.\n",
    "up to a mark": f"{DEFINED}[DONE]\nYou are",
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_is_read(name: str) -> None:
    program = program_of(RIGHT[name], META)
    assert program is not None
    space: dict = {}
    exec(program, space)
    assert space["twice"]([1, 2]) == [2, 4]


@pytest.mark.parametrize("text", ["", "  \n", "```python\n```", "<think>hm</think>", "[DONE] more", "```text\nno\n```"])
def test_there_may_be_none(text: str) -> None:
    assert program_of(text, META) is None
    assert program_of(text, {}) is None


def test_a_helper_of_the_prompt_stays() -> None:
    prompt = "import math\n\ndef half(x):\n    return x / 2\n\ndef quarter(x):\n    '''A quarter.'''\n"
    meta = {"prompt": prompt, "entry_point": "quarter"}
    for text in ("    return half(half(x))", "```python\ndef quarter(x):\n    return half(half(x))\n```"):
        space: dict = {}
        exec(program_of(text, meta) or "", space)
        assert space["quarter"](4) == 1


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("def f():\n    return 1\n", "def f():\n    return 1\n"),
        ("\r\ndef f():\r\n    return 1\r\n[DONE]\n\nYou", "def f():\n    return 1\n"),
        ("[BEGIN]\ndef f():\n    return '''\nProse here\n'''\n[DONE]", "def f():\n    return '''\nProse here\n'''\n"),
        (
            "Sure:\n```python\nclass A:\n    pass\n\ndef f():\n    return 1\n```",
            "class A:\n    pass\n\ndef f():\n    return 1\n",
        ),
        ("x = 1\ny = x", "x = 1\ny = x"),
        (
            "I would write\n\nimport re\nPATTERN: str = 'a'\n\ndef f():\n    return 1\n\nHope this helps!",
            "import re\nPATTERN: str = 'a'\n\ndef f():\n    return 1\n\n",
        ),
    ],
)
def test_without_a_prompt_the_text_is_the_program(text: str, program: str) -> None:
    assert program_of(text, {"prompt": "", "entry_point": "f"}) == program
