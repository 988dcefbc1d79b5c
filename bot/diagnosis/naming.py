"""The names a diagnosis carries: which registry, which error code. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import re2

from bot.diagnosis.reading import Finding, Reading

_HOST = re2.compile(r"https?://([\w.\-]+)(:\d+)?")
_CODE = re2.compile(
    r"\b(ERR_PNPM_[A-Z0-9_]+|YN00(?:0[1-9]|[1-9]\d)|E\d{3}|E_[A-Z_]{4,}|E[A-Z]{3,}(?:_[A-Z]+)*|GH\d{3})\b"
)
_STATUS = re2.compile(
    r"^(?:error: )?([45]\d\d) [A-Z][\w ]*: https?://| - ([45]\d\d)$|requested URL returned error: (\d{3})"
    r"|\"([45]\d\d) [A-Z]"
    r"|(?:HTTPError: |status |got |success: |[Ss]tatus(?: code)?:? |HTTP Error |[Ee]rror '?)([45]\d\d)\b"
    r"|(?:Server says: |<title>)([45]\d\d)\b"
    r"| received from \w+: ([45]\d\d)\b"
    r"|HTTP ([45]\d\d) |Return code is: ([45]\d\d)\b"
)
# The clients of npm's kind have codes of their own.
_STATUS_IN_WORDS = re2.compile(
    r"\b([45]\d\d):? (?:Unauthorized|Payment Required|Forbidden|Conflict|Too Many Requests|Internal Server Error"
    r"|Bad Gateway|Service)\b"
)
_STATUS_IN_BRACKETS = re2.compile(r"(?:\(|, )([45]\d\d)\)")  # of the smaller registries' clients
_NOT_CODES = frozenset({"ERROR", "ERRORS", "EVERY", "EXIT", "ELSE", "EXPECTED", "ERROR_CODE", "EXTERNAL", "EMPTY"})
_NPM_LINE = re2.compile(r"npm (?:ERR!|error)")
_NEAR = 14  # lines between an error and the line with its code
_LOCAL = frozenset({"localhost", "127.0.0.1", "0.0.0.0"})  # noqa: S104 - a name to compare with, nothing is bound


def code_of(reading: Reading, findings: Sequence[Finding]) -> str | None:
    """The code as printed: in the deciding line itself, else on the line with the code nearest to it."""
    finding = findings[0]
    text = finding.hit.line.text
    registry, rule = finding.registry, finding.rule
    if code := _named_group(rule.patterns, text):
        return code
    step, number = finding.hit.step, finding.hit.line.number
    near = [
        (abs(n - number), n > number, c)
        for s, n, c in reading.codes
        if s == step and abs(n - number) <= _NEAR and not c.isdigit()
    ]
    if near and _NPM_LINE.search(text):
        return str(min(near)[2])
    if rule.echo:
        return "ELIFECYCLE" if any("ELIFECYCLE" in f.hit.line.text for f in findings) else None
    codes = [str(c) for c in (m.group(1) for m in _CODE.finditer(text)) if c not in _NOT_CODES]
    if codes:
        return codes[0]
    if near and registry in (None, "npm", "github-packages"):
        return min(near)[2]
    match = _STATUS.search(text)
    if not match and (registry or rule.registry) not in (None, "npm", "github-packages"):
        match = _STATUS_IN_WORDS.search(text)
    if not match and registry == "other":
        match = _STATUS_IN_BRACKETS.search(text)
    return next((str(g) for g in match.groups() if g), None) if match else None


def _named_group(patterns: tuple[str, ...], text: str) -> str | None:
    for pattern in patterns:
        if "?P<code" not in pattern:
            continue
        match = re2.search(pattern, text)
        if match:
            code = next((v for k, v in match.groupdict().items() if k.startswith("code") and v), None)
            if code:
                return str(code)
    return None


def registry_of(reading: Reading, finding: Finding | None) -> str | None:
    """The registry that answered: by the address in the line, by what the step publishes to, by its client."""
    book = reading.book
    if finding is not None:
        if "cloud-login" in finding.rule.requires:
            return "docker" if reading.steps.pushes_images else None
        if finding.rule.registry and not (host := _host(finding.hit.line.text)):
            return finding.rule.registry
        if finding.rule.registry and host:
            known = book.registry_of_host(host)
            return known if known == "github-packages" else finding.rule.registry
        if finding.registry not in (None, "npm"):
            return finding.registry
        host = _host(finding.hit.line.text) or reading.hosts.get(finding.hit.step)
        if host and host not in ("docs.npmjs.com", "www.npmjs.com", "gh.io", "github.com"):
            return "other" if host in _LOCAL else book.registry_of_host(host) or "other"
        return finding.hit.registry if finding.hit.registry else ("npm" if reading.tools.tool else None)
    hosts = list(reading.hosts.values())
    if hosts and hosts[-1]:
        if hosts[-1] in _LOCAL:
            return "other"
        if named := book.registry_of_host(hosts[-1]):
            return named
        if reading.registry in (None, "npm", "github-packages"):
            return "other"
    return reading.registry


def _host(text: str) -> str | None:
    match = _HOST.search(text)
    return str(match.group(1)) if match else None
