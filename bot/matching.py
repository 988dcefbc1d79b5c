"""Which stored token was it: scored candidates, each with its reasons. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from bot.evidence import SecretAge
from storage.tokens import Token, Use


@dataclass(frozen=True, slots=True)
class PublishAttempt:
    """What is known of the job that used the credential.

    `workflow`: path of the file that the run started from (`workflow_ref`); `called_workflow`: the reusable workflow
    that holds the publishing job (`job_workflow_ref`), as written in `uses`; `secrets`: names the publish step reads,
    best first, or empty; `secret`: when the one it really reads was last written, and at which level; `event`, `actor`,
    `from_fork`: what started the run; `runners`: labels of the job's runner; `started_at`: when GitHub handed out the
    secret, which is when the run was queued, or its job started for one of an environment; `failed_at`: when the run
    was over.
    """

    repo: str
    workflow: str
    registry: str
    packages: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    environment: str | None = None
    called_workflow: str | None = None
    event: str | None = None
    actor: str | None = None
    from_fork: bool = False
    branch: str | None = None
    runners: tuple[str, ...] = ()
    secret: SecretAge | None = None
    started_at: datetime | None = None
    failed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored token that may be the one, with why: ("secret NPM_TOKEN of acme/ui", "may publish @acme/*")."""

    token: Token
    score: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """The best candidate if there is one. `guess`: nothing ties it to this workflow; `ties`: others as good."""

    best: Candidate | None = None
    guess: bool = False
    ties: tuple[Candidate, ...] = ()


# The weights only have to order candidates: where a token is used outweighs what it may publish, because a token that
# lacks the right is a likely culprit, and one that has it in another repository is not.
_TIED = 100
_SECRET = 60
_FIRST_SECRET = 6
_WORKFLOW = 20
_ENVIRONMENT = 10
_COVERS = 16
_COVERS_NOTHING = -12
_REVOKED = -2
_CANNOT_PUBLISH = -1
_ONLY_ONE = 1
# A secret holds what was stored when it was last written: most likely the newest token there was. This outweighs what
# a token may publish, and which workflow it is recorded for.
_NEWEST_THEN = 40
_CLOCKS_APART = timedelta(minutes=10)  # npm's and GitHub's
_A_DAY = timedelta(days=1)
# GitHub reads an environment's secret before the repository's, and that before the organisation's.
_LEVEL = {"environment": 9, "repository": 6, "organization": 3, "elsewhere": 0}
_MAY = {
    "read-only": "its list names",
    "no-access": "its list names",
    "read-write-stage-only": "may stage",
}
_CANNOT = {"read-only": "it is read-only", "no-access": "it has no access to packages"}


@dataclass(frozen=True, slots=True)
class _Finding:
    """`tied`: something on record ties the token to the job; `reads`: even the secret that the job reads."""

    score: int = 0
    reasons: tuple[str, ...] = ()
    tied: bool = False
    elsewhere: bool = False
    reads: bool = False


def match(attempt: PublishAttempt, tokens: Iterable[Token]) -> Match:
    """The token this job most likely used.

    Only tokens of the attempt's registry count. A token whose every use contradicts the job (another repository,
    another secret, another environment) is left out. Without any tie the best is a guess: a token that may publish the
    packages, or the only one known of this registry. Of several that are recorded for the same secret, the newest there
    was when the secret was last written is preferred.
    """
    known = [token for token in tokens if token.registry == attempt.registry]
    weighed = [(_weigh(attempt, token, only=len(known) == 1), token) for token in known]
    likely = _newest_then(attempt, [(finding, token) for finding, token in weighed if finding.score > 0])
    if not likely:
        return Match()
    likely.sort(key=lambda pair: (-pair[0].score, pair[1].name))
    top = likely[0][0]
    equal = [Candidate(token, top.score, finding.reasons) for finding, token in likely if finding.score == top.score]
    best, ties = equal[0], tuple(equal[1:])
    said = best.reasons
    if not top.tied:
        said += ("a guess: no record says that this workflow reads it",)
    if ties:
        said += (f"as likely: {_and(tie.token.name for tie in ties)}",)
    return Match(Candidate(best.token, best.score, said), guess=not top.tied, ties=ties)


def covers(token: Token, package: str) -> bool | None:
    """Whether the token's lists allow publishing the package; None when it has no lists.

    Organisations are left out: npm's organisation permission gives no right to publish.
    """
    if not token.packages and not token.scopes:
        return None
    return _grant(token, package) is not None


def same_workflow(one: str, other: str) -> bool:
    """`release.yml` and `.github/workflows/release.yml` are the same file; case matters on GitHub but not to people."""
    a, b = one.lower().lstrip("/"), other.lower().lstrip("/")
    return a == b if "/" in a and "/" in b else _file(a) == _file(b)


def holds(secret: SecretAge, token: Token) -> bool | None:
    """Whether the secret can hold the token: not when it was last written before the token was made. None: unknown."""
    if token.created_at is None:
        return None
    # Who types a day means some time of it, in a zone of their own.
    apart = _A_DAY if token.created_at.time() == time() else _CLOCKS_APART
    return token.created_at - secret.updated_at <= apart


def _newest_then(attempt: PublishAttempt, likely: list[tuple[_Finding, Token]]) -> list[tuple[_Finding, Token]]:
    secret = attempt.secret
    sharing = [token for finding, token in likely if finding.reads]
    if secret is None or len(sharing) < 2 or any(token.created_at is None for token in sharing):
        return likely  # one of unknown age could be the newest
    then = max((token.created_at for token in sharing if token.created_at and holds(secret, token)), default=None)
    if then is None:
        return likely
    reason = f"the newest of {len(sharing)} when {secret.name} was last written, on {secret.updated_at:%Y-%m-%d}"
    return [
        (replace(finding, score=finding.score + _NEWEST_THEN, reasons=(*finding.reasons, reason)), token)
        if finding.reads and token.created_at == then
        else (finding, token)
        for finding, token in likely
    ]


def _weigh(attempt: PublishAttempt, token: Token, *, only: bool) -> _Finding:
    use = _best_use(attempt, token)
    if use.elsewhere:
        return _Finding()
    score, reasons = use.score, list(use.reasons)
    held = {package: _grant(token, package) for package in attempt.packages}
    granted = list(dict.fromkeys(grant for grant in held.values() if grant))
    lacking = [package for package, grant in held.items() if grant is None]
    if granted:
        score += _COVERS * (len(held) - len(lacking)) // len(held)
        reasons.append(f"{_MAY.get(token.permission or '', 'may publish')} {_and(granted)}")
    if lacking and (token.packages or token.scopes):
        reasons.append(f"its package list does not contain {_and(lacking)}")
        score += 0 if granted else _COVERS_NOTHING
    if only and not use.tied and not (lacking and (token.packages or token.scopes)):
        score += _ONLY_ONE
        reasons.append(f"the only {token.registry} token on record")
    if score <= 0:
        return _Finding()
    if token.permission in _CANNOT:
        score = max(1, score + _CANNOT_PUBLISH)
        reasons.append(_CANNOT[token.permission])
    if token.revoked_at is not None:
        score = max(1, score + _REVOKED)
        reasons.append(f"it was revoked on {token.revoked_at:%Y-%m-%d}")
    return _Finding(score, tuple(reasons), use.tied, reads=use.reads)


def _best_use(attempt: PublishAttempt, token: Token) -> _Finding:
    """The use that fits best. `elsewhere`: uses are recorded and every one of them contradicts this job."""
    findings = [_weigh_use(attempt, token, use) for use in token.used_by]
    fitting = [finding for finding in findings if not finding.elsewhere]
    if fitting:
        return max(fitting, key=lambda finding: finding.score)
    return _Finding(elsewhere=bool(findings))


def _weigh_use(attempt: PublishAttempt, token: Token, use: Use) -> _Finding:
    reach = _reach(use, attempt.repo)
    if reach is None or _other_environment(use, attempt):
        return _Finding(elsewhere=True)
    own = reach == attempt.repo.lower()
    where = use.repo if own and use.level != "organization" else f"organisation {use.repo.partition('/')[0]}"
    if token.kind == "trusted-publisher":
        return _weigh_trust(attempt, use, own, where)
    score, tied, reason = 0, own, f"used in {where}"
    read = _place(use, attempt)
    if read is not None and _hidden(use, attempt):
        return _Finding(elsewhere=True)
    if read is not None:
        score += _SECRET + max(0, _FIRST_SECRET - 2 * read)
        tied = True
        reason = f"secret {use.secret} of {where} is read by this workflow"
    elif use.secret and attempt.secrets:
        return _Finding(elsewhere=True)
    elif use.secret:
        reason = f"secret {use.secret} of {where}"
    if use.workflow and same_workflow(use.workflow, attempt.workflow):
        score += _WORKFLOW
        tied = True
        reason += "" if read is not None else f", read by {_file(use.workflow)}"
    elif use.workflow and read is None:
        # A secret is the same whichever workflow reads it; without one to go by, another file is another story.
        tied = False
        reason += f", there read by {_file(use.workflow)}"
    if use.environment and attempt.environment is not None:
        score += _ENVIRONMENT
        reason += f" in environment {use.environment}"
    if use.level != "environment" or attempt.environment is not None:
        score += _LEVEL.get(use.level, 0)
    return _Finding(
        score + (_TIED if tied else 1), (reason,), tied, reads=bool(attempt.secret and _is(attempt.secret, use))
    )


def _weigh_trust(attempt: PublishAttempt, use: Use, own: bool, where: str) -> _Finding:
    """A job that reads a secret may still publish by trust, but the secret is named: tokens kept in it come first."""
    score = 0 if attempt.secrets else _SECRET
    if use.workflow and not same_workflow(use.workflow, attempt.workflow):
        if attempt.secrets:
            return _Finding(elsewhere=True)
        # The classic after a rename: the only trust there is names the old file.
        return _Finding(1, (f"{_file(use.workflow)} of {where} is a trusted publisher, this workflow is not",))
    score += _WORKFLOW if use.workflow else 0
    score += _ENVIRONMENT if use.environment and attempt.environment is not None else 0
    reason = f"{_file(use.workflow) + ' of ' if use.workflow else ''}{where} is a trusted publisher"
    return _Finding(score + (_TIED if own else 1), (reason,), own)


def _place(use: Use, attempt: PublishAttempt) -> int | None:
    """Which of the secrets that the job reads this is. GitHub's secret names ignore case."""
    wanted = [secret.upper() for secret in attempt.secrets]
    return wanted.index(use.secret.upper()) if use.secret and use.secret.upper() in wanted else None


def _hidden(use: Use, attempt: PublishAttempt) -> bool:
    """Whether GitHub reads a secret of the same name at a nearer level instead."""
    read = attempt.secret
    if read is None or use.level not in _LEVEL or use.level == "elsewhere":
        return False
    return _is(read, use) and _LEVEL.get(read.level, 0) > _LEVEL[use.level]


def _is(secret: SecretAge, use: Use) -> bool:
    return use.secret is not None and use.secret.upper() == secret.name.upper()


def _other_environment(use: Use, attempt: PublishAttempt) -> bool:
    if use.environment is None or attempt.environment is None:
        return False
    return use.environment.lower() != attempt.environment.lower()


def _reach(use: Use, repo: str) -> str | None:
    """The repository or organisation through which the use reaches the repository; None when it does not."""
    used, repo = use.repo.lower(), repo.lower()
    owner = repo.partition("/")[0]
    if used == repo:
        return used
    of_organisation = used in (owner, f"{owner}/*") or (use.level == "organization" and used.startswith(f"{owner}/"))
    return owner if of_organisation else None


def _file(workflow: str) -> str:
    return PurePosixPath(workflow).name


def _normal(name: str, registry: str) -> str:
    """A name as the registry compares it: to PyPI `Acme.UI` and `acme_ui` are one project (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower() if registry == "pypi" else name.lower()


def _grant(token: Token, package: str) -> str | None:
    """How the token may publish the package, as people write it: `@acme/ui`, `@acme/*`, `*`."""
    name = _normal(package, token.registry)
    for granted in token.packages:
        if _normal(granted, token.registry) == name:
            return granted
    for granted in token.packages:
        if "*" in granted and fnmatchcase(name, _normal(granted, token.registry).replace("[", "[[]")):
            return granted
    owner = name.partition("/")[0] if "/" in name else None
    for scope in token.scopes:
        if owner is not None and scope.lower().removesuffix("/*").lstrip("@") == owner.lstrip("@"):
            return f"{scope.removesuffix('/*')}/*"
    return None


def _and(names: Iterable[str]) -> str:
    listed = list(names)
    if len(listed) > 3:
        listed = [*listed[:3], f"{len(listed) - 3} more"]
    return " and ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)
