"""Reads values out of a module's source without running it, and remembers on which line each was written.

It understands what settings are made of: literals, names, `dict.fromkeys`, `{**base}`, `a | b`, subscripts, `update`, imports of
other settings, and readings of the environment, of which it takes the default. Everything else is Unreadable, and is said so.
"""

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

READERS = {"get", "getenv", "bool", "env", "config", "env_bool", "get_bool"}  # of os.environ, environ, decouple
NAMED = {"default", "fallback"}
UNKNOWN = object()  # in the place of one value of a dict that has to be run


class Unreadable(Exception):
    """The value is not in the source."""


@dataclass
class Located:
    """A value and where it was written; a dict holds Located values by plain keys, a list Located ones."""

    value: Any
    path: str
    line: int

    def plain(self) -> Any:
        if isinstance(self.value, dict):
            return {key: each.plain() for key, each in self.value.items()}
        return [each.plain() for each in self.value] if isinstance(self.value, list) else self.value

    def copy(self) -> "Located":
        if isinstance(self.value, dict):
            return Located({key: each.copy() for key, each in self.value.items()}, self.path, self.line)
        copied = [each.copy() for each in self.value] if isinstance(self.value, list) else self.value
        return Located(copied, self.path, self.line)


Names = dict[str, Located]


@dataclass
class Reader:
    """Evaluates the expressions of one module."""

    path: str
    names: Names

    def read(self, node: ast.expr) -> Located:
        """The value of an expression.

        Raises:
            Unreadable: it has to be run for that.
        """
        how: Callable[[Any], Located] | None = getattr(self, f"read_{type(node).__name__.lower()}", None)
        if how is None:
            raise Unreadable
        return how(node)

    def at(self, value: Any, node: ast.AST) -> Located:
        return Located(value, self.path, getattr(node, "lineno", 0))

    def read_constant(self, node: ast.Constant) -> Located:
        return self.at(node.value, node)

    def read_name(self, node: ast.Name) -> Located:
        if node.id not in self.names:
            raise Unreadable
        return self.names[node.id]

    def read_attribute(self, node: ast.Attribute) -> Located:
        found = self.read(node.value).value
        if not isinstance(found, dict) or node.attr not in found:
            raise Unreadable
        each: Located = found[node.attr]
        return each

    def read_dict(self, node: ast.Dict) -> Located:
        found: dict[Any, Located] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                found.update(self.mapping(value))
                continue
            found[self.read(key).value] = Located(self.known(value), self.path, key.lineno)
        return self.at(found, node)

    def known(self, node: ast.expr) -> Any:
        try:
            return self.read(node).value
        except Unreadable:
            return UNKNOWN

    def read_dictcomp(self, node: ast.DictComp) -> Located:
        loop = node.generators[0]
        if len(node.generators) > 1 or loop.ifs or not isinstance(loop.target, ast.Name):
            raise Unreadable
        found = {}
        for each in self.sequence(loop.iter):
            inner = Reader(self.path, {**self.names, loop.target.id: each})
            found[inner.read(node.key).value] = self.at(inner.read(node.value).value, node)
        return self.at(found, node)

    def read_list(self, node: ast.List | ast.Tuple | ast.Set) -> Located:
        return self.at([self.read(each) for each in node.elts], node)

    read_tuple = read_set = read_list

    def read_subscript(self, node: ast.Subscript) -> Located:
        found, key = self.read(node.value).value, self.read(node.slice).value
        try:
            each: Located = found[key]
        except (KeyError, IndexError, TypeError):
            raise Unreadable from None
        if not isinstance(each, Located):
            raise Unreadable
        return each

    def read_unaryop(self, node: ast.UnaryOp) -> Located:
        if not isinstance(node.op, ast.Not):
            raise Unreadable
        return self.at(not self.read(node.operand).value, node)

    def read_boolop(self, node: ast.BoolOp) -> Located:
        found = [self.read(each) for each in node.values]
        wanted = isinstance(node.op, ast.Or)
        return next((each for each in found[:-1] if bool(each.value) is wanted), found[-1])

    def read_ifexp(self, node: ast.IfExp) -> Located:
        return self.read(node.body if self.read(node.test).value else node.orelse)

    def read_compare(self, node: ast.Compare) -> Located:
        left, right = self.read(node.left).plain(), self.read(node.comparators[0]).plain()
        if isinstance(node.ops[0], ast.Eq):
            return self.at(left == right, node)
        if isinstance(node.ops[0], ast.NotEq):
            return self.at(left != right, node)
        if isinstance(node.ops[0], ast.In) and isinstance(right, list | dict | str):
            return self.at(left in right, node)
        raise Unreadable

    def read_binop(self, node: ast.BinOp) -> Located:
        left, right = self.read(node.left).value, self.read(node.right).value
        if isinstance(node.op, ast.BitOr) and isinstance(left, dict) and isinstance(right, dict):
            return self.at({**left, **right}, node)
        if isinstance(node.op, ast.Add) and isinstance(left, list) and isinstance(right, list):
            return self.at([*left, *right], node)
        raise Unreadable

    def read_call(self, node: ast.Call) -> Located:
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called == "fromkeys" and len(node.args) == 2:
            value = self.read(node.args[1]).value
            names = self.sequence(node.args[0])
            return self.at({each.value: Located(value, self.path, node.lineno) for each in names}, node)
        if called == "dict":
            found = {} if not node.args else dict(self.mapping(node.args[0]))
            for each in node.keywords:
                found.update(self.mapping(each.value) if each.arg is None else {each.arg: self.read(each.value)})
            return self.at(found, node)
        if called in ("copy", "deepcopy"):
            return self.read(node.args[0] if node.args else node.func.value).copy()  # type: ignore[attr-defined]
        if called in ("bool", "int") and isinstance(node.func, ast.Name):
            return self.converted(called, node)
        if called in READERS:
            return self.default(node)
        raise Unreadable

    def converted(self, called: str, node: ast.Call) -> Located:
        try:
            return self.at((bool if called == "bool" else int)(self.read(node.args[0]).value), node)
        except (ValueError, TypeError, IndexError):
            raise Unreadable from None

    def default(self, node: ast.Call) -> Located:
        """What a reading of the environment gives where the variable is not set."""
        for each in node.keywords:
            if each.arg in NAMED:
                return self.read(each.value)
        if len(node.args) < 2:
            raise Unreadable
        return self.read(node.args[1])

    def sequence(self, node: ast.expr) -> list[Located]:
        found = self.read(node).value
        if not isinstance(found, list):
            raise Unreadable
        return found

    def mapping(self, node: ast.expr) -> dict[Any, Located]:
        found = self.read(node).value
        if not isinstance(found, dict):
            raise Unreadable
        return found
