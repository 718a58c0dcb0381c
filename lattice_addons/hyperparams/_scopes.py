"""What a name means at a place in a module: ours, imported, or another that only looks alike."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["MODULE", "Scope", "calls"]

#: The module from which managers are imported.
MODULE = "lattice_addons.hyperparams.m"
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


class Scope:
    """A module, class, function or comprehension, and what is bound in it."""

    def __init__(
        self, parent: Scope | None, *, is_class: bool = False, is_comprehension: bool = False
    ) -> None:
        self.parent = parent
        self.root: Scope = parent.root if parent is not None else self
        self.is_class = is_class
        self.is_comprehension = is_comprehension
        self.bound: set[str] = set()
        self.managers: dict[str, str] = {}  # what is imported from us: the name here, and the placeholder
        self.elsewhere: dict[str, bool] = {}  # declared global (True) or nonlocal

    def settle(self) -> None:
        """Let what is declared global or nonlocal be bound where it belongs."""
        for name, is_global in self.elsewhere.items():
            home = self.root if is_global else self.parent or self
            if name in self.managers:
                home.managers.setdefault(name, self.managers.pop(name))
            self.bound.discard(name)

    def manager(self, name: str) -> str | None:
        """Give the placeholder that a name stands for, as Python would look it up; None when it is not ours."""
        scope: Scope | None = self.root if self.elsewhere.get(name) else self
        while scope is not None:
            if not scope.is_class or scope is self:
                if name in scope.managers:
                    return scope.managers[name]
                if name in scope.bound:
                    return None
            scope = scope.parent
        return None


class _Walk:
    """Goes through a tree without recursion: a tree may be deeper than Python's own stack."""

    def __init__(self, tree: ast.Module) -> None:
        self.scopes = [Scope(None)]
        self.calls: list[tuple[ast.Call, Scope, bool]] = []
        self._bare: set[int] = set()
        self._todo: list[tuple[ast.AST, Scope]] = [(tree, self.scopes[0])]

    def run(self) -> None:
        """See every node, once."""
        while self._todo:
            node, scope = self._todo.pop()
            if isinstance(node, _FUNCTIONS):
                self._function(node, scope)
            elif isinstance(node, ast.ClassDef):
                scope.bound.add(node.name)
                self._inner(node.body, scope, is_class=True)
                self._push([*node.decorator_list, *node.bases, *node.keywords], scope)
            elif isinstance(node, _COMPREHENSIONS):
                self._comprehension(node, scope)
            else:
                self._bind(node, scope)
                self._push(ast.iter_child_nodes(node), scope)
        for scope in self.scopes:
            scope.settle()

    def _push(self, nodes: Iterable[ast.AST], scope: Scope) -> None:
        self._todo.extend((node, scope) for node in nodes)

    def _inner(self, nodes: list[ast.stmt], scope: Scope, *, is_class: bool = False) -> Scope:
        inner = Scope(scope, is_class=is_class)
        self.scopes.append(inner)
        self._push(nodes, inner)
        return inner

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, scope: Scope) -> None:
        body: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else [*node.body]
        inner = self._inner([], scope)
        self._push(body, inner)
        every = (
            *node.args.posonlyargs,
            *node.args.args,
            *node.args.kwonlyargs,
            node.args.vararg,
            node.args.kwarg,
        )
        given = [each for each in every if each is not None]
        inner.bound.update(each.arg for each in given)
        outside: list[ast.AST] = [
            *node.args.defaults,
            *(each for each in node.args.kw_defaults if each is not None),
        ]
        outside += [each.annotation for each in given if each.annotation is not None]
        if not isinstance(node, ast.Lambda):
            scope.bound.add(node.name)
            outside += [*node.decorator_list, *([node.returns] if node.returns is not None else [])]
        self._push(outside, scope)

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, scope: Scope
    ) -> None:
        inner = Scope(scope, is_comprehension=True)
        self.scopes.append(inner)
        # The first sequence is evaluated outside.
        self._todo.append((node.generators[0].iter, scope))
        for number, each in enumerate(node.generators):
            self._push([each.target, *each.ifs, *([each.iter] if number else [])], inner)
        self._push([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt], inner)

    def _bind(self, node: ast.AST, scope: Scope) -> None:
        if isinstance(node, ast.Call):
            self.calls.append((node, scope, id(node) in self._bare))
        elif isinstance(node, ast.Expr):
            self._bare.add(id(node.value))
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            scope.bound.add(node.id)
        elif isinstance(node, ast.NamedExpr):
            home = scope
            while home.is_comprehension and home.parent is not None:
                home = home.parent
            home.bound.add(node.target.id)
            # Its name is bound there, and not in the comprehension.
            node.target.ctx = ast.Load()
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            self._import(node, scope)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            scope.elsewhere.update(dict.fromkeys(node.names, isinstance(node, ast.Global)))
        else:
            # The names that `except … as` and patterns bind.
            for name in (getattr(node, "name", None), getattr(node, "rest", None)):
                if isinstance(name, str) and not isinstance(node, ast.alias):
                    scope.bound.add(name)

    def _import(self, node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
        ours = isinstance(node, ast.ImportFrom) and node.module == MODULE and not node.level
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            if ours:
                scope.managers[name] = alias.name
            else:
                scope.bound.add(name)


def calls(tree: ast.Module) -> Iterator[tuple[ast.Call, Scope, bool]]:
    """Give every call with the scope in which it stands, and whether it is a statement by itself; in their order."""
    walk = _Walk(tree)
    walk.run()
    yield from sorted(walk.calls, key=lambda each: (each[0].lineno, each[0].col_offset))
