"""A workflow file as a plain tree: mappings, lists and text, whatever the file holds. Pure.

Scalars stay as written (`18.10` is no number, `on` is no boolean), so that nothing of YAML's types can surprise the
reader. Anchors are written out up to a limit, because nested ones can grow a small file into gigabytes.
"""

from __future__ import annotations

from typing import TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Tree: TypeAlias = "dict[str, Tree] | list[Tree] | str | None"

LARGEST = 256 * 1024  # bytes; takes ruamel about a second
MOST_NODES = 100_000
DEEPEST = 40
_NULL = frozenset({"", "~", "null", "Null", "NULL"})


class Unreadable(Exception):
    """Not a workflow file we can read; the message is the end of "could not read the workflow file: ..."."""


def tree_of(data: bytes) -> dict[str, Tree]:
    """The file's top mapping. Raises Unreadable."""
    if len(data) > LARGEST:
        raise Unreadable(f"it is larger than {LARGEST // 1024} KB")
    if b"\0" in data:
        raise Unreadable("it is not UTF-8 text")
    try:
        node = YAML(typ="safe", pure=True).compose(data.decode("utf-8-sig", "replace"))
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    except (
        YAMLError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        AssertionError,
        NotImplementedError,
    ) as error:
        # ruamel meets some malformed input with other errors than its own.
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        raise Unreadable("it is not valid YAML" + (f" (line {mark.line + 1})" if mark else "")) from None
    tree = _Expanding().tree(node, 0)
    if not isinstance(tree, dict):
        raise Unreadable("it is not a workflow")
    return tree


class _Expanding:
    """Writes out a node graph, where an alias is the anchored node once more."""

    def __init__(self) -> None:
        self._left = MOST_NODES

    def tree(self, node: Node | None, depth: int) -> Tree:
        self._left -= 1
        if self._left < 0:
            raise Unreadable("its YAML anchors make it too large")
        if depth > DEEPEST:
            raise Unreadable("it is nested too deeply")
        if isinstance(node, MappingNode):
            # Merge keys (`<<`) stay ordinary keys: GitHub knows anchors and not those.
            return {key.value: self.tree(value, depth + 1) for key, value in node.value if isinstance(key, ScalarNode)}
        if isinstance(node, SequenceNode):
            return [self.tree(value, depth + 1) for value in node.value]
        if isinstance(node, ScalarNode):
            return None if node.style is None and node.value in _NULL else str(node.value)
        return None


def mapping(tree: Tree) -> dict[str, Tree]:
    return tree if isinstance(tree, dict) else {}


def sequence(tree: Tree) -> list[Tree]:
    return tree if isinstance(tree, list) else []


def text(tree: Tree) -> str | None:
    return tree if isinstance(tree, str) else None


def texts(tree: Tree) -> dict[str, str]:
    """The entries of a mapping that are text; an entry without a value is empty text."""
    return {key: value or "" for key, value in mapping(tree).items() if value is None or isinstance(value, str)}


def yes(tree: Tree) -> bool:
    return isinstance(tree, str) and tree.strip().lower() == "true"
