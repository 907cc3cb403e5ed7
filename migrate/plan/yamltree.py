"""Where in the file does each value of a YAML document stand?

The document is composed to nodes, never constructed: no tag makes an object, every node keeps its
place, keys that stand twice are found, and what turned out wrong can be pruned so that the rest is
still checked in the same run.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from migrate.errors import Defect, PlanError, PlanMistake, Position

MOST_NODES = 200_000  # aliases included, so that a small file can't grow without bound

_TAG = "tag:yaml.org,2002:"


class Tree:
    """One YAML document: plain data, and the position of every node by its path of keys."""

    def __init__(self, file: str, source: str) -> None:
        """Compose the document.

        Raises:
            PlanError: it isn't YAML, or it is empty.
        """
        self.file, self.source = file, source
        self.lines = source.split("\n")
        try:
            root = _yaml().compose(source)
        except YAMLError as error:
            raise PlanError([self._syntax(error)]) from error
        except RecursionError:
            raise PlanError([PlanMistake(Position(file), "The YAML is nested too deeply.")]) from None
        if root is None:
            raise PlanError(
                [PlanMistake(Position(file), "The file is empty.", "`migrate init` writes a first plan.")]
            )
        self.root: Node = root
        self.mistakes: list[PlanMistake] = []
        self.pruned: set[tuple[int, str | int]] = set()  # (the parent node's id, key)
        self._seen = 0
        self._audit(root, ())

    def _syntax(self, error: YAMLError) -> PlanMistake:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        at = Position(self.file, mark.line + 1, mark.column + 1) if mark else Position(self.file)
        if isinstance(error, MarkedYAMLError):
            parts = [str(part) for part in (error.context, error.problem) if part]
            what = ", ".join(parts) or "it can't be read"
        else:
            what = str(error).splitlines()[0] if str(error) else "it can't be read"
        remedy = (
            "Put the value in double quotes: it holds a character that means something in YAML."
            if any(sign in what for sign in ("mapping values", "cannot start any token"))
            else "Check the indentation, the brackets and the quotes just before this place."
        )
        return PlanMistake(at, f"This isn't YAML: {what}.", remedy)

    def _audit(self, node: Node, above: tuple[int, ...]) -> None:
        self._seen += 1
        if id(node) in above:
            raise PlanError(
                [PlanMistake(self._of(node), "This alias contains itself.", "Write the value out.")]
            )
        if self._seen > MOST_NODES or len(above) > 100:
            raise PlanError(
                [PlanMistake(Position(self.file), "The plan is too large or too deep to be one.")]
            )
        above = (*above, id(node))
        if isinstance(node, MappingNode):
            first: dict[str, Node] = {}
            for pair in list(node.value):
                key, value = pair
                wrong = self._key_mistake(key, first)
                if wrong:
                    self.mistakes.append(wrong)
                    node.value.remove(pair)
                    continue
                first[key.value] = key
                self._audit(value, above)
        elif isinstance(node, SequenceNode):
            for value in node.value:
                self._audit(value, above)
        elif not str(node.tag).startswith(_TAG) or ":python" in str(node.tag):
            self.mistakes.append(
                PlanMistake(self._of(node), f"The tag `{node.tag}` means nothing here.", "Remove the tag.")
            )

    def _key_mistake(self, key: Node, first: dict[str, Node]) -> PlanMistake | None:
        if not isinstance(key, ScalarNode):
            return PlanMistake(
                self._of(key), "A key must be a plain name.", "Put `{…}` in quotes if it is text."
            )
        if str(key.tag) == _TAG + "merge":
            return PlanMistake(self._of(key), "Merge keys (`<<`) aren't read.", "Write the keys out.")
        if key.value in first:
            line = self._of(first[key.value]).line
            return PlanMistake(
                self._of(key),
                f"`{key.value}` stands twice; it is already on line {line}.",
                "Remove one of the two.",
            )
        return None

    def _of(self, node: Node) -> Position:
        return Position(self.file, node.start_mark.line + 1, node.start_mark.column + 1)

    # -- data ---------------------------------------------------------------------------------

    def data(self) -> Any:
        """The document as dicts, lists and plain values; a date stays the text that it is."""
        return _plain(self.root)

    # -- positions ----------------------------------------------------------------------------

    def find(self, keys: tuple[str | int, ...]) -> tuple[Node | None, Node, int]:
        """The key node and the value node of a path, and how many of its keys exist."""
        key: Node | None = None
        node = self.root
        for depth, step in enumerate(keys):
            below = _below(node, step)
            if below is None:
                return key, node, depth
            key, node = below
        return key, node, len(keys)

    def at(self, *keys: str | int) -> Position:
        """Position of a value, or of the nearest thing around it that is there."""
        key, node, depth = self.find(keys)
        if depth < len(keys) and key is not None:
            return self._of(key)
        return self._of(node)

    def at_key(self, *keys: str | int) -> Position:
        """Position of a key (of the value, in a list)."""
        key, node, _ = self.find(keys)
        return self._of(key or node)

    def locate(self, *keys: str | int) -> Callable[[int], Position]:
        """A function from an offset in a text value to its position in the file."""
        _, node, _ = self.find(keys)
        if not isinstance(node, ScalarNode):
            return lambda _offset: self._of(node)
        return lambda offset: self._character(node, offset)

    def _character(self, node: ScalarNode, offset: int) -> Position:
        """Walk text and source together; folding and quoting only ever change white space and escapes."""
        text, style = str(node.value), node.style
        source, start = self.source, self._of(node)
        j = sum(len(line) + 1 for line in self.lines[: start.line - 1]) + start.column - 1
        if style in ("'", '"'):
            j += 1
        elif style in ("|", ">"):
            j = source.find("\n", j) + 1
            j += len(source[j:]) - len(source[j:].lstrip())
        i = 0
        while i < offset and i < len(text) and j < len(source):
            if text[i].isspace() and source[j].isspace():
                while i < offset and text[i].isspace():
                    i += 1
                while j < len(source) and source[j].isspace():
                    j += 1
            elif (style == "'" and source[j : j + 2] == "''") or (style == '"' and source[j] == "\\"):
                i, j = i + 1, j + 2
            elif source[j] == text[i]:
                i, j = i + 1, j + 1
            else:
                return start
        before = source[:j]
        return Position(self.file, before.count("\n") + 1, j - (before.rfind("\n") + 1) + 1)

    # -- pruning ------------------------------------------------------------------------------

    def prune(self, keys: tuple[str | int, ...]) -> bool:
        """Take the value (and its key) out; False where that would be the whole document."""
        if not keys:
            return False
        _, parent, depth = self.find(keys[:-1])
        if depth < len(keys) - 1:
            return self.prune(keys[:depth])
        if _below(parent, keys[-1]) is None:
            return self.prune(keys[:-1])
        self.pruned.add((id(parent), keys[-1]))
        if isinstance(parent, SequenceNode):
            parent.value = [value for index, value in enumerate(parent.value) if index != keys[-1]]
        else:
            parent.value = [pair for pair in parent.value if pair[0].value != keys[-1]]
        return True

    def put(self, keys: tuple[str | int, ...], yaml: str) -> None:
        """Let a stand-in take the place of a value in a mapping, or make it where it is missing."""
        _, parent, depth = self.find(keys[:-1])
        if depth < len(keys) - 1 or not isinstance(parent, MappingNode):
            raise Defect(f"no mapping at {keys[:-1]}")
        made = _yaml().compose(f"{keys[-1]}: {yaml}").value
        parent.value = [pair for pair in parent.value if pair[0].value != keys[-1]] + made

    def was_pruned(self, keys: tuple[str | int, ...], below: str | int | None = None) -> bool:
        """Whether this key, or (without `below`) anything right under this path, was pruned."""
        _, node, depth = self.find(keys)
        if depth < len(keys):
            return False
        if below is not None:
            return (id(node), below) in self.pruned
        return any(parent == id(node) for parent, _ in self.pruned)


def _yaml() -> YAML:
    # The round-trip loader would leave marks of its own in folded texts.
    return YAML(typ="safe", pure=True)


def _below(node: Node, step: str | int) -> tuple[Node | None, Node] | None:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == step:
                return key, value
    elif isinstance(node, SequenceNode) and isinstance(step, int) and 0 <= step < len(node.value):
        return None, node.value[step]
    return None


def _plain(node: Node) -> Any:
    if isinstance(node, MappingNode):
        return {str(key.value): _plain(value) for key, value in node.value}
    if isinstance(node, SequenceNode):
        return [_plain(value) for value in node.value]
    text: str = node.value
    readers: dict[Hashable, Callable[[str], Any]] = {
        _TAG + "int": _integer,
        _TAG + "float": _float,
        _TAG + "bool": lambda value: value.lower() == "true",
        _TAG + "null": lambda _value: None,
    }
    read = readers.get(str(node.tag))
    return read(text) if read else text


def _integer(text: str) -> int | str:
    digits = text.replace("_", "")
    if digits.lstrip("+-").isdigit():
        return int(digits)
    try:
        return int(digits, 0)
    except ValueError:
        return text


def _float(text: str) -> float | str:
    try:
        return float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        return text
