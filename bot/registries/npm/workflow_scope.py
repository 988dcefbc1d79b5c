"""What `${{ ... }}` means at one place of a workflow: resolved where the text tells, else None. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from bot.registries.npm.workflow_yaml import Tree, mapping, sequence, text, texts

LONGEST = 20_000  # characters looked at of one value or script
UNKNOWN = "*"  # a key of the matrix when parts of it are computed
MOST_HOPS = 5  # env names an input, which names a matrix value, which ...
_EXPRESSION = re.compile(r"\$\{\{(.{0,2000}?)\}\}", re.DOTALL)
_SECRET = re.compile(r"\bsecrets(?:\.|\[['\"])([A-Za-z_][A-Za-z0-9_-]*)")
_INDEXED = re.compile(r"\bsecrets\[((?:[^\[\]'\"]|'[^']{0,100}'){1,200})\]")
_FORMAT = re.compile(r"format\(\s*'([^']{0,100})'\s*,\s*([\w.-]{1,100})\s*\)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,200}")
_REFERENCE = re.compile(r"\b(env|inputs|matrix)((?:\.[A-Za-z_][\w-]*)+)|\bgithub\.event\.(inputs)(\.[A-Za-z_][\w-]*)")
_WHOLE = re.compile(r"(env|inputs|matrix)((?:\.[A-Za-z_][\w-]*)+)|(')([^']*)'")
_NOT_KEYS = ("include", "exclude")
_SUFFIX = re.compile(r"\((.*)\)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Scope:
    """`env`: what is set here; `inputs`: of a called workflow, in terms of its caller; `matrix`: the values each key
    can have; `passed`: lower-case names of secrets that a caller hands over -> the caller's own names, None = all."""

    env: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    matrix: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    passed: Mapping[str, tuple[str, ...]] | None = None

    def with_env(self, *levels: Tree) -> Scope:
        """Inside `env` blocks, outermost first: an inner one replaces what an outer one set."""
        env = dict(self.env)
        for level in levels:
            env |= texts(level)
        return replace(self, env=env)

    def secrets(self, value: str, hops: int = MOST_HOPS) -> list[str]:
        """Names of the repository's secrets that can be in the value, in order; the workflow's own token is none."""
        found: list[str] = []
        for inside in expressions(value):
            for name in (*_SECRET.findall(inside), *self._by_index(inside)):
                found += self._handed_over(name)
            if hops:
                for referred in self._referred(inside):
                    found += self.secrets(referred, hops - 1)
        return [name for name in dict.fromkeys(found) if name.upper() != "GITHUB_TOKEN"]

    def literal(self, value: str | None) -> str | None:
        """The value with its expressions resolved; None when one of them cannot be told or has several values."""
        found = self.literals(value)
        return found[0] if len(found) == 1 else None

    def literals(self, value: str | None, hops: int = MOST_HOPS) -> tuple[str, ...]:
        """Every value that the text can have; none when that cannot be told."""
        if value is None or len(value) > LONGEST:
            return ()
        parts = _EXPRESSION.split(value)
        if len(parts) == 1:
            return (value.strip(),)
        if hops == 0 or len(parts) > 9:
            return ()
        whole: tuple[str, ...] = ("",)
        for place, part in enumerate(parts):
            values = (part,) if place % 2 == 0 else self._values(part, hops - 1)
            whole = tuple(f"{before}{after}" for before in whole for after in values)[:100]
        return tuple(dict.fromkeys(one.strip() for one in whole))

    def _by_index(self, inside: str) -> Iterator[str]:
        """`secrets[matrix.secret]`, `secrets[format('NPM_{0}', inputs.name)]`."""
        for whole in _INDEXED.findall(inside):
            formatted = _FORMAT.fullmatch(whole.strip())
            pattern, argument = (formatted[1], formatted[2]) if formatted else ("{0}", whole.strip())
            for value in self._values(argument, MOST_HOPS):
                if value and _NAME.fullmatch(name := pattern.replace("{0}", value)):
                    yield name

    def _handed_over(self, name: str) -> tuple[str, ...]:
        return (name,) if self.passed is None else self.passed.get(name.lower(), ())

    def _referred(self, inside: str) -> Iterator[str]:
        for kind, path, event, event_path in _REFERENCE.findall(inside):
            yield from self._look_up(kind or event, (path or event_path)[1:])

    def _values(self, inside: str, hops: int) -> tuple[str, ...]:
        # `a || b` is b when a is known to be empty, and unknown when a is.
        for alternative in inside.split("||"):
            found = _WHOLE.fullmatch(alternative.strip())
            if found is None:
                return ()
            raw = (found[4],) if found[3] else tuple(self._look_up(found[1], found[2][1:]))
            if not raw and not (found[1] == "matrix" and self._has_no(found[2][1:])):
                return ()  # an input or a variable that is set elsewhere
            values = tuple(value for one in raw for value in self.literals(one, hops))
            if not values and raw:
                return ()
            if any(values):
                return values
        return ("",)

    def _has_no(self, path: str) -> bool:
        """Whether no row of the matrix has this key, so that it is empty text."""
        return bool(self.matrix) and path not in self.matrix and UNKNOWN not in self.matrix

    def _look_up(self, kind: str, path: str) -> Iterable[str]:
        if kind == "matrix":
            return self.matrix.get(path, ())
        known = self.env if kind == "env" else self.inputs
        return (known[path],) if path in known else ()


def expressions(value: str) -> list[str]:
    return _EXPRESSION.findall(value[:LONGEST])


def without_spaces(value: str) -> str:
    """The text with `${{ secrets.X }}` as `${{secrets.X}}`: one word for whoever splits a script."""
    return _EXPRESSION.sub(lambda found: "${{" + re.sub(r"\s+", "", found[1]) + "}}", value[:LONGEST])


def matrix_of(job: Mapping[str, Tree], display_name: str | None = None) -> dict[str, tuple[str, ...]]:
    """The values of each matrix key, `settings.host` for one inside an object.

    `display_name`: of the job that ran, `test (18, ubuntu-latest)`: only the values it names. A key whose values are
    computed has none, and UNKNOWN stands among the keys when other keys may be computed.
    """
    written = mapping(job.get("strategy")).get("matrix")
    matrix = mapping(written)
    found: dict[str, list[str]] = {}
    if isinstance(written, str) or isinstance(matrix.get("include"), str):
        found[UNKNOWN] = []
    found |= {key: [] for key, values in matrix.items() if isinstance(values, str) and key not in _NOT_KEYS}
    rows: list[Tree] = [{key: v} for key, values in matrix.items() if key not in _NOT_KEYS for v in sequence(values)]
    rows += sequence(matrix.get("include"))
    for row in rows:
        for path, value in _leaves(row):
            found.setdefault(path, []).append(value)
    suffix = _SUFFIX.search(display_name or "")
    named = {part.strip() for part in suffix[1].split(",")} if suffix else set()
    return {
        path: tuple(dict.fromkeys(v for v in values if v in named) or dict.fromkeys(values))
        for path, values in found.items()
    }


def _leaves(row: Tree, path: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    for key, value in mapping(row).items():
        under = ".".join(filter(None, (path, key)))
        if isinstance(value, dict) and depth < 4:
            yield from _leaves(value, under, depth + 1)
        elif (said := text(value)) is not None and under:
            yield under, said
