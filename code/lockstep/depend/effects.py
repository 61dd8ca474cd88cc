"""What a top-level statement may do besides binding its names, when its module is imported.

A statement that may act counts wherever the module is executed; one that only binds names counts where they are
reached. Between the two are statements that use an operator or an attribute, which act only if some class that is
about gives these a meaning: `operators` names the methods that they may call.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection, Iterator
from copy import copy

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
FUNCTIONAL = (*FUNCTIONS, ast.Lambda)

PURE_CALLS = {
    *("bool bytes complex dict float frozenset int len list max min object range round set slice sorted str".split()),
    *("sum tuple zip abs enumerate reversed repr type property staticmethod classmethod".split()),
    *("Path PurePath TypeVar ParamSpec NamedTuple namedtuple field Fraction Decimal partial auto".split()),
    *("re.compile logging.getLogger functools.partial dataclasses.field math.log math.sqrt math.exp enum.auto".split()),
    *(f"np.{name}" for name in "array float32 float64 arange linspace logspace zeros ones full empty eye".split()),
    *(f"torch.{name}" for name in "tensor device zeros ones full arange linspace eye".split()),
}
PURE_METHODS = {  # of a text that is written out
    *("split rsplit splitlines join strip lstrip rstrip upper lower title replace encode partition rpartition".split()),
}
PURE_DECORATORS = {
    *("property staticmethod classmethod dataclass dataclasses.dataclass contextmanager cached_property".split()),
    *("contextlib.contextmanager functools.wraps functools.cache functools.lru_cache".split()),
    *("functools.cached_property contextlib.asynccontextmanager asynccontextmanager enum.unique unique".split()),
    *("wraps cache lru_cache abstractmethod override final overload torch.no_grad torch.inference_mode".split()),
}
PURE_BASES = {"NamedTuple", "namedtuple", "TypedDict", "collections.namedtuple", "typing.NamedTuple"}
CALLED_BACK = {"key"}  # arguments that a pure call would call

OPERATORS = {  # of syntax: the methods by which a class can give it a meaning
    ast.Add: "__add__ __radd__",
    ast.Sub: "__sub__ __rsub__",
    ast.Mult: "__mul__ __rmul__",
    ast.Div: "__truediv__ __rtruediv__",
    ast.FloorDiv: "__floordiv__ __rfloordiv__",
    ast.Mod: "__mod__ __rmod__",
    ast.Pow: "__pow__ __rpow__",
    ast.MatMult: "__matmul__ __rmatmul__",
    ast.BitOr: "__or__ __ror__",
    ast.BitAnd: "__and__ __rand__",
    ast.BitXor: "__xor__ __rxor__",
    ast.LShift: "__lshift__ __rlshift__",
    ast.RShift: "__rshift__ __rrshift__",
    ast.UAdd: "__pos__",
    ast.USub: "__neg__",
    ast.Invert: "__invert__",
    ast.Not: "__bool__ __len__",
    ast.Eq: "__eq__",
    ast.NotEq: "__ne__ __eq__",
    ast.Lt: "__lt__ __gt__",
    ast.Gt: "__gt__ __lt__",
    ast.LtE: "__le__ __ge__",
    ast.GtE: "__ge__ __le__",
    ast.In: "__contains__ __iter__",
    ast.NotIn: "__contains__ __iter__",
    ast.And: "__bool__ __len__",
    ast.Or: "__bool__ __len__",
    ast.IfExp: "__bool__ __len__",
    ast.Subscript: "__getitem__ __class_getitem__ __missing__",
    ast.comprehension: "__iter__ __next__ __getitem__ __bool__",
    ast.Starred: "__iter__ __next__ keys __getitem__",
    ast.FormattedValue: "__format__ __str__ __repr__",
    ast.Attribute: "property __get__ __getattr__ __getattribute__ cached_property",
    ast.Call: "__iter__ __next__ __len__ __str__ __repr__ __abs__ __index__ __float__ __int__ __array__ __hash__",
    ast.Dict: "__hash__ __eq__",
    ast.Set: "__hash__ __eq__",
}


def dotted(node: ast.AST) -> str:
    """`a.b.c` as text, or "" for any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (base := dotted(node.value)):
        return f"{base}.{node.attr}"
    return ""


def executed_nodes(nodes: list[ast.stmt], *, annotations: bool = False) -> Iterator[ast.AST]:
    """Every syntax node that runs when the statements do: the bodies of functions are left out, and annotations of
    functions too unless they are asked for."""
    stack: list[ast.AST] = list(reversed(nodes))
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, FUNCTIONAL):
            inner = [*getattr(node, "decorator_list", []), *node.args.defaults, *filter(None, node.args.kw_defaults)]
            if annotations and isinstance(node, FUNCTIONS):
                inner += annotated(node)
        else:
            inner = list(ast.iter_child_nodes(node))
        stack.extend(reversed(inner))


def annotated(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    """The annotations of a function."""
    arguments = node.args
    each = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return [a.annotation for a in each if a and a.annotation] + ([node.returns] if node.returns else [])


def acts(node: ast.stmt, own: Collection[str] = (), postponed: bool = False) -> bool:
    """May the statement do more than bind its names? `own` are names that mean something of the project's own, whatever
    a library calls so; `postponed`: annotations are not evaluated."""
    if isinstance(node, FUNCTIONS):
        if not all(_known(d, PURE_DECORATORS, own) for d in node.decorator_list):
            return True
        evaluated = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        return _acting(evaluated + ([] if postponed else annotated(node)), own)
    if isinstance(node, ast.ClassDef):
        pure = all(_known(d, PURE_DECORATORS, own) for d in node.decorator_list)
        bases = [base for base in node.bases if not _known(base, PURE_BASES, own)]
        return (
            not pure
            or bool(node.keywords)
            or _acting(bases, own)
            or any(_in_class(n, own, postponed) for n in node.body)
        )
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return False
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        plain = all(_is_plain(target) for target in targets)
        evaluated = [node.annotation] if isinstance(node, ast.AnnAssign) and not postponed else []
        return not plain or _acting(evaluated + ([node.value] if node.value else []), own)
    if type(node).__name__ == "TypeAlias":
        return False
    return not (isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)))


def operators(node: ast.stmt) -> frozenset[str]:
    """The methods that evaluating a statement may call by syntax: of operators, indexing, iteration, attributes."""
    found: set[str] = set()
    modules = isinstance(node, (ast.Import, ast.ImportFrom))
    for inner in [] if modules else executed_nodes([node], annotations=True):
        kinds = [type(inner)]
        if isinstance(inner, ast.Compare):
            kinds = [type(op) for op in inner.ops]
        elif isinstance(inner, (ast.BinOp, ast.UnaryOp, ast.BoolOp)):
            kinds = [type(inner.op)]
        elif isinstance(inner, ast.Attribute) and isinstance(inner.ctx, ast.Store):
            continue
        constant = isinstance(inner, (ast.BinOp, ast.UnaryOp, ast.Compare)) and all(
            isinstance(part, (ast.Constant, ast.operator, ast.unaryop, ast.cmpop))
            for part in ast.iter_child_nodes(inner)
        )
        for kind in [] if constant else kinds:
            found.update(OPERATORS.get(kind, "").split())
    return frozenset(found)


def meanings(node: ast.ClassDef) -> Iterator[str]:
    """The methods with a meaning of their own that a class defines, by any kind of statement in its body; `property`
    where attributes of it compute."""
    for inner in _class_body(node):
        if isinstance(inner, FUNCTIONS):
            yield inner.name
            yield from ({"property", "cached_property"} & {dotted(d).rpartition(".")[2] for d in inner.decorator_list})
        elif isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
            yield inner.id
        elif isinstance(inner, ast.Call) and dotted(inner.func) == "property":
            yield "property"


def _class_body(node: ast.ClassDef) -> Iterator[ast.AST]:
    stack: list[ast.AST] = list(node.body)
    while stack:
        inner = stack.pop()
        yield inner
        if not isinstance(inner, (*FUNCTIONAL, ast.ClassDef)):
            stack.extend(ast.iter_child_nodes(inner))


def _is_plain(target: ast.expr) -> bool:
    if isinstance(target, (ast.Tuple, ast.List)):
        return all(_is_plain(each) for each in target.elts)
    return isinstance(target, ast.Name) or (isinstance(target, ast.Starred) and _is_plain(target.value))


def _in_class(node: ast.stmt, own: Collection[str], postponed: bool) -> bool:
    if isinstance(node, FUNCTIONS):  # a decorator of a method may register it, unless it belongs to the class itself
        if not all(_known(d, PURE_DECORATORS, own) or _is_accessor(d) for d in node.decorator_list):
            return True
        return acts(_undecorated(node), own, postponed)
    return acts(node, own, postponed)


def _undecorated(node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.stmt:
    made = copy(node)
    made.decorator_list = []
    return made


def _is_accessor(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Attribute) and decorator.attr in ("setter", "deleter", "getter")


def _known(node: ast.expr, names: set[str], own: Collection[str]) -> bool:
    name = dotted(node.func if isinstance(node, ast.Call) else node)
    return name in names and name.partition(".")[0] not in own


def _acting(values: list[ast.expr], own: Collection[str]) -> bool:
    """Does evaluating them call anything that is not known to be pure?"""
    for node in executed_nodes([ast.Expr(value) for value in values]):
        if isinstance(node, (ast.Await, ast.NamedExpr, ast.Yield, ast.YieldFrom)):
            return True
        if isinstance(node, ast.Call) and not _pure_call(node, own):
            return True
    return False


def _pure_call(node: ast.Call, own: Collection[str]) -> bool:
    if any(keyword.arg in CALLED_BACK for keyword in node.keywords):
        return False
    function = node.func
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Constant):
        return function.attr in PURE_METHODS
    name = dotted(function)
    return name.partition(".")[0] not in own and (name in PURE_CALLS or _is_exception(name))


def _is_exception(name: str) -> bool:
    kind = getattr(builtins, name, None)
    return isinstance(kind, type) and issubclass(kind, BaseException)
