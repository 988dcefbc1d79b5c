"""The map as an SVG picture: tokens and trusted publishers, secrets, workflows, packages, from left to right. Pure.

Drawn here because four columns of boxes with lines between them need no layout engine. No script, no outside font, no
link: it may be opened anywhere. It follows the reader's light or dark scheme.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from bot.fleet.dependence import Link
from bot.messages.text import clean

MOST_IN_COLUMN = 60
COLUMNS = ("Credential", "Secret", "Workflow", "Package")
_WIDTH, _GAP, _HEIGHT, _STEP, _TOP, _MARGIN = 250, 110, 40, 52, 86, 24
_LETTERS = 34  # that fit into a box
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1d1c1d }
.head { font-weight: 600; font-size: 14px } .small { font-size: 11px; fill: #616061 }
rect { fill: #fff; stroke: #8d8d8d; rx: 6 } .trust rect { stroke: #1f7a4d } .gap rect { stroke-dasharray: 4 3 }
path { fill: none; stroke: #8d8d8d; stroke-width: 1.3; opacity: .75 } .trust path { stroke: #1f7a4d }
.back { fill: #fafafa; stroke: none; rx: 0 }
@media (prefers-color-scheme: dark) {
text { fill: #e8e8e8 } .small { fill: #b0b0b0 } rect { fill: #2a2d31 } .back { fill: #1a1d21 } }
"""


@dataclass
class _Column:
    """Boxes from top to bottom: key -> (title, note, class)."""

    boxes: dict[str, tuple[str, str, str]] = field(default_factory=dict)

    def add(self, key: str, title: str, note: str = "", kind: str = "") -> str:
        self.boxes.setdefault(key, (title, note, kind))
        return key

    @property
    def shown(self) -> dict[str, int]:
        """Key -> row; what does not fit shares the last one."""
        keys = list(self.boxes)
        last = MOST_IN_COLUMN - 1
        crowded = len(keys) > MOST_IN_COLUMN
        return {key: min(row, last) if crowded else row for row, key in enumerate(keys)}


def draw(links: Sequence[Link], title: str, notes: dict[str, str] | None = None) -> str:
    """An SVG document. `notes`: a few words about a token by its name, such as when it ends."""
    columns = [_Column() for _ in COLUMNS]
    edges: dict[tuple[int, str, str], str] = {}
    for link in links:
        _add(link, columns, edges, notes or {})
    rows = max([len(set(column.shown.values())) for column in columns] or [1])
    width = 2 * _MARGIN + len(COLUMNS) * _WIDTH + (len(COLUMNS) - 1) * _GAP
    height = _TOP + max(rows, 1) * _STEP + _MARGIN
    body = [f'<rect class="back" x="0" y="0" width="{width}" height="{height}"/>']
    body.append(f'<text class="head" x="{_MARGIN}" y="30">{_text(title, 120)}</text>')
    for place, name in enumerate(COLUMNS):
        body.append(f'<text class="small" x="{_x(place)}" y="{_TOP - 22}">{name}</text>')
    for (place, left, right), kind in edges.items():
        body.append(_line(place, columns[place].shown[left], columns[place + 1].shown[right], kind))
    for place, column in enumerate(columns):
        body += _boxes(place, column)
    if not links:
        body.append(f'<text x="{_MARGIN}" y="{_TOP + 14}">Nothing is on record.</text>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    named = f"<title>{_text(title, 200)}</title>"
    return "\n".join([f'{head} role="img">', named, f"<style>{_STYLE}</style>", *body, "</svg>\n"])


def _add(link: Link, columns: list[_Column], edges: dict[tuple[int, str, str], str], notes: dict[str, str]) -> None:
    credentials, secrets, workflows, packages = columns
    file = link.workflow.rpartition("/")[2] or "any workflow"
    workflow = workflows.add(f"{link.repo.lower()} {link.workflow}", link.repo, file, "" if link.seen else "gap")
    for package in link.packages:
        edges[2, workflow, packages.add(package, package, link.registry)] = ""
    if not link.packages:
        edges[2, workflow, packages.add(f"{link.repo} ?", "package unknown", link.registry, "gap")] = ""
    for name in link.publishers:
        credentials.add(f"trust {name}", name, "trusted publisher", "trust")
        through = secrets.add(f"oidc {link.environment or ''}", "OIDC identity", link.environment or "", "trust")
        edges[0, f"trust {name}", through] = "trust"
        edges[1, through, workflow] = "trust"
    if link.by_identity and not link.publishers:
        unknown = credentials.add("trust", "no trusted publisher on record", "", "gap")
        through = secrets.add(f"oidc {link.environment or ''}", "OIDC identity", link.environment or "", "trust")
        edges[0, unknown, through] = edges[1, through, workflow] = "trust"
    if link.secret is None:
        if not link.publishers and not link.by_identity:
            nothing = secrets.add("none", "no secret seen", "", "gap")
            edges[1, nothing, workflow] = ""
        return
    place = link.secret
    where = {
        "organization": f"organisation {place.where}",
        "environment": f"{place.environment} in {place.where}",
        "elsewhere": "outside GitHub",
    }
    kind = "gap" if place.level in ("missing", "unknown") else ""
    note = where.get(place.level, place.where) + (f", {place.level}" if kind else "")
    secret = secrets.add(f"{place}", place.name, note, kind)
    edges[1, secret, workflow] = ""
    for name in link.tokens:
        edges[0, credentials.add(f"token {name}", name, notes.get(name, "token")), secret] = ""
    if not link.tokens:
        edges[0, credentials.add("unknown", "no token on record", "", "gap"), secret] = ""


def _boxes(place: int, column: _Column) -> Iterable[str]:
    rows = column.shown
    hidden = len(rows) - MOST_IN_COLUMN + 1 if len(rows) > MOST_IN_COLUMN else 0
    drawn: set[int] = set()
    for key, row in rows.items():
        if row in drawn:
            continue
        drawn.add(row)
        title, note, kind = column.boxes[key]
        if hidden and row == MOST_IN_COLUMN - 1:
            title, note, kind = f"and {hidden:,} more", "", "gap"
        x, y = _x(place), _y(row)
        full = _text(" · ".join(filter(None, (title, note))), 400)
        yield (
            f'<g class="{kind}"><title>{full}</title><rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}"/>'
            f'<text x="{x + 10}" y="{y + (17 if note else 25)}">{_text(title, _LETTERS)}</text>'
            + (f'<text class="small" x="{x + 10}" y="{y + 32}">{_text(note, _LETTERS + 6)}</text>' if note else "")
            + "</g>"
        )


def _line(place: int, left: int, right: int, kind: str) -> str:
    x1, x2 = _x(place) + _WIDTH, _x(place + 1)
    y1, y2 = _y(left) + _HEIGHT // 2, _y(right) + _HEIGHT // 2
    middle = (x1 + x2) // 2
    return f'<g class="{kind}"><path d="M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}"/></g>'


def _x(place: int) -> int:
    return _MARGIN + place * (_WIDTH + _GAP)


def _y(row: int) -> int:
    return _TOP + row * _STEP


def _text(words: str, most: int) -> str:
    """Names come from outside: markup is escaped, and what XML cannot hold is left out."""
    line = " ".join(clean(words).split())
    line = "".join(letter for letter in line if letter >= " " and letter not in "\ufffe\uffff")
    return escape(line if len(line) <= most else line[: most - 1] + "…")
