"""The canonical digest: the same on every supported interpreter, blind to layout, and to nothing else."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from lockstep.depend.canonical import Form, canonical_json, digest_syntax, digest_value

GOLDEN = Path(__file__).with_name("golden.py.txt")
DIGEST = "dc10523fc03870ca2ad196447baad3cdd5c1677f170d7c0bc80917bf433ff4a3"


PLAIN = Form()


def digest(text: str, form: Form = PLAIN) -> str:
    return digest_syntax(ast.parse(text).body, form)


def test_the_digest_of_the_golden_file_is_what_it_was():
    """A change here makes every recorded run stale: raise the scheme and write a migration first."""
    assert digest(GOLDEN.read_text()) == DIGEST


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_every_supported_interpreter_gives_the_same_digest(version):
    python = interpreter(version)
    if python is None:
        assert version != f"{sys.version_info.major}.{sys.version_info.minor}"
        pytest.skip(f"no Python {version} on this machine")
    code = "import ast, sys; sys.path.insert(0, 'code'); from lockstep.depend.canonical import digest_syntax as d; "
    code += f"print(d(ast.parse(open({str(GOLDEN)!r}).read()).body))"
    root = Path(__file__).parents[2]
    done = subprocess.run([python, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == DIGEST


def interpreter(version: str) -> str | None:
    """One that runs: a version manager's shim may be there without its interpreter."""
    versions = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    return str(versions[-1]) if versions else shutil.which(f"python{version}")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x   =  (1)  # comment"),
        ("x = 'a'", 'x = "a"'),
        ("x = u'a'", "x = 'a'"),
        ("x = 'a' 'b'", "x = 'ab'"),
        ("def f():\n    'doc'\n    return 1", "def f():\n    'other'\n    return 1"),
        ("def f():\n    pass", "def f():\n    'only words'"),
        ("f'{x:}'", "f'{x}'"),
        ("x = 0x10", "x = 16"),
        ("x: int = 1", "x = 1"),
        ("def f(a: int, *b: str) -> int: pass", "def f(a, *b): pass"),
        ("class C:\n    def f(self, a: int): pass", "class C:\n    def f(self, a): pass"),
        ("@contextmanager\ndef f(a: int): pass", "@contextmanager\ndef f(a): pass"),
    ],
)
def test_layout_comments_docstrings_and_idle_annotations_do_not_count(one, other):
    assert digest(one) == digest(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = '1'", "x = b'1'"),
        ("x = None", "x = ..."),
        ("f(a)", "f(*a)"),
        ("f(a=b)", "f(**{'a': b})"),
        ("x < y", "x <= y"),
        ("def f(a, /): pass", "def f(a): pass"),
        ("def f(*, a): pass", "def f(a): pass"),
        ("def f(a=None): pass", "def f(a): pass"),
        ("{**a}", "{None: a}"),
        ("x = f'{y!r}'", "x = f'{y}'"),
        ("x = f'{y}a'", "x = f'a{y}'"),
        ("if a:\n    b\nelse:\n    c", "if a:\n    b\n    c"),
        ("return_ = a\nb", "b\nreturn_ = a"),
        ("async def f(): pass", "def f(): pass"),
        ("class C:\n    x: int = 1", "class C:\n    x: float = 1"),
        ("x: register() = 1", "x = 1"),
        ("def f(a: register()): pass", "def f(a): pass"),
        ("@register\ndef f(a: int): pass", "@register\ndef f(a: str): pass"),
        ("@register\ndef f() -> int: pass", "@register\ndef f() -> str: pass"),
    ],
)
def test_everything_else_counts(one, other):
    assert digest(one) != digest(other)


def test_docstrings_count_where_they_are_asked_for():
    told = Form(docstrings=True)
    assert digest("def f():\n    'a'", told) != digest("def f():\n    'b'", told)


def test_annotations_count_where_something_reads_them():
    read = Form(annotations=True)
    assert digest("def f(a: int): pass", read) != digest("def f(a: str): pass", read)


def test_an_expression_however_long_has_a_digest():
    def chain(terms: int) -> list[ast.stmt]:
        value: ast.expr = ast.Name("y", ast.Load())
        for _ in range(terms):
            value = ast.BinOp(value, ast.Add(), ast.Name("y", ast.Load()))
        return [ast.Expr(value)]

    assert digest_syntax(chain(5000)) != digest_syntax(chain(5001))
    assert digest(f"x = {2**20000:#x}") != digest(f"x = {2**20000 + 1:#x}")


def test_values_digest_by_content_and_not_by_order():
    assert digest_value({"b": (1, 2), "a": 0.1}) == digest_value({"a": 0.1, "b": [1, 2]})
    assert canonical_json({"b": "é", "a": 1e-7}) == '{"a":1e-07,"b":"é"}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest_value({"a": float("nan")})


def test_the_differences_between_versions_of_the_syntax_tree_do_not_count():
    """As 3.11 and 3.12 cut an f-string, and as 3.12 and later add fields that older trees lack."""
    cut, whole = ast.parse("f'ab{x}'").body[0], ast.parse("f'ab{x}'").body[0]
    joined = cut.value  # type: ignore[attr-defined]
    joined.values[:1] = [ast.Constant("a"), ast.Constant("b"), ast.Constant("")]
    assert digest_syntax([cut]) == digest_syntax([whole])
    new, old = ast.parse("class C: x = 1").body[0], ast.parse("class C: x = 1").body[0]
    new.type_params = []  # type: ignore[attr-defined]
    if hasattr(old, "type_params"):
        del old.type_params  # type: ignore[attr-defined]
    assert digest_syntax([new]) == digest_syntax([old])
