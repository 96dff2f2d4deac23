"""The rules of the web doors: pages and mappings that decide nothing. Functions from a file to its breaches."""

import ast
import re
from collections.abc import Callable, Iterator

from jinja2 import Environment, nodes

from tests.unit.tidy import Source, called_name

_STATE = re.compile(r"(.*_)?state|.*_STATE_.*")
_QUANTITY = re.compile(r"(.*_)?(time|date|due|now|amount)|minor_units|timedelta|from_timestamp")
_MEASURE = re.compile(r"(.*_)?(level|rating|severity|grade|region|amount|minor_units)")
_ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_RECKONS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv)
# The markup, its loops and conditions, and the macros of which a page is made.
_MARKUP = (nodes.Template, nodes.Output, nodes.TemplateData, nodes.Block, nodes.Macro, nodes.If, nodes.For)
_PARTS = (nodes.Extends, nodes.Include, nodes.Import, nodes.Call, nodes.Keyword)
_VALUES = (nodes.Name, nodes.Getattr, nodes.Const, nodes.Tuple, nodes.List)
_CONDITIONS = (nodes.And, nodes.Or, nodes.Not)
_PLAIN = (*_MARKUP, *_PARTS, *_VALUES, *_CONDITIONS)

Breach = tuple[str, int]
"""The name of a function within its file, and the line."""


def states_compared(source: Source) -> Iterator[Breach]:
    """The comparisons of a state of the contract."""
    return _found(source, lambda node: isinstance(node, ast.Compare) and _mentions(node, _STATE))


def quantities_reckoned(source: Source) -> Iterator[Breach]:
    """The comparisons by size, and the sums, of a time or an amount."""

    def is_breach(node: ast.AST) -> bool:
        is_order = isinstance(node, ast.Compare) and any(isinstance(each, _ORDERS) for each in node.ops)
        is_sum = isinstance(node, ast.BinOp) and isinstance(node.op, _RECKONS)
        return (is_order or is_sum) and _mentions(node, _QUANTITY)

    return _found(source, is_breach)


def measures_fixed(source: Source) -> Iterator[Breach]:
    """The comparisons of a level, a mark, a region or an amount with a value of the code, and those by size."""
    fixed = {name for name, value in _assigned(source.tree) if _is_fixed(value, set())}

    def is_breach(node: ast.AST) -> bool:
        if not isinstance(node, ast.Compare) or not _mentions(node, _MEASURE):
            return False
        is_order = any(isinstance(each, _ORDERS) for each in node.ops)
        return is_order or any(_is_fixed(each, fixed) for each in (node.left, *node.comparators))

    return _found(source, is_breach)


def _assigned(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """The constants of a module with their values."""
    for each in tree.body:
        if isinstance(each, ast.Assign):
            for target in each.targets:
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                values = each.value.elts if isinstance(each.value, ast.Tuple) else [each.value]
                if len(names) == len(values):
                    yield from (
                        (name.id, value)
                        for name, value in zip(names, values, strict=True)
                        if isinstance(name, ast.Name)
                    )
                elif isinstance(target, ast.Name):
                    yield target.id, each.value


def _is_fixed(node: ast.expr, fixed: set[str]) -> bool:
    """Whether a value is a figure or a word of the code, or has one; an empty word is none."""
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(_is_fixed(each, fixed) for each in node.elts)
    if isinstance(node, ast.Name):
        return node.id in fixed
    return isinstance(node, ast.Constant) and isinstance(node.value, int | str) and node.value != ""


def refusals_made(source: Source) -> Iterator[Breach]:
    """The refusals for another reason than the form of a request, which `invalid` and `unsupported` make."""
    return _found(source, lambda node: isinstance(node, ast.Call) and called_name(node) == "Refused")


def _found(source: Source, is_breach: Callable[[ast.AST], bool]) -> Iterator[Breach]:
    def visit(node: ast.AST, inside: str) -> Iterator[Breach]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inside = f"{inside}.{node.name}" if inside else node.name
        if isinstance(node, ast.expr) and is_breach(node):
            yield inside, node.lineno
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside)

    return visit(source.tree, "")


def _mentions(node: ast.AST, wanted: re.Pattern[str]) -> bool:
    """Whether the node has a name of the kind that is wanted, or an attribute."""
    names = (
        each.attr if isinstance(each, ast.Attribute) else each.id
        for each in ast.walk(node)
        if isinstance(each, ast.Attribute | ast.Name)
    )
    return any(wanted.fullmatch(each) for each in names)


def beyond_markup(template: str) -> set[str]:
    """The kinds of expression in a template beside markup, loops, and conditions that hold or are equal to a word."""
    found = set()
    for each in Environment(autoescape=True).parse(template).find_all(nodes.Node):
        if isinstance(each, nodes.Compare):
            words = (each.expr, *(operand.expr for operand in each.ops))
            is_equal = all(operand.op == "eq" for operand in each.ops)
            is_plain = is_equal and not any(_is_figure(word) or _is_measure(word) for word in words)
        elif isinstance(each, nodes.Filter):
            is_plain = each.name == "join"
        else:
            is_plain = isinstance(each, (*_PLAIN, nodes.Operand))
        if not is_plain:
            found.add(type(each).__name__)
    return found


def _is_measure(node: nodes.Expr) -> bool:
    name = node.attr if isinstance(node, nodes.Getattr) else node.name if isinstance(node, nodes.Name) else ""
    return bool(_MEASURE.fullmatch(name))


def _is_figure(node: nodes.Expr) -> bool:
    return isinstance(node, nodes.Const) and not isinstance(node.value, str)
