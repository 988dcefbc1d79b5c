"""Explanations that no credential of ours is behind: what the registry has, and who else it refuses. Pure."""

from __future__ import annotations

from datetime import timedelta

from bot.verdict import commands
from bot.verdict.case import Case
from bot.verdict.phrases import ago, listed, named, span
from bot.verdict.verdict import Verdict

# Other failures that a registry in trouble causes as well: a dead token is refused alike.
_ALIKE = frozenset(
    {
        "token-rejected",
        "no-access",
        "insufficient-scope",
        "token-missing",
        "install-auth",
        "oidc-failed",
        "oidc-publisher-mismatch",
    }
)
IN_THE_RUN = timedelta(minutes=2)  # what was published until then may be this run's own; new versions take a while
MOST_APART = timedelta(minutes=15)
LEAST_OTHERS = 2


def version_is_there(case: Case) -> Verdict | None:
    """What was to be published is: a re-run after a partial success, or a publish whose answer was lost."""
    published, version = case.evidence.published, case.diagnosis.version
    if published is None or version is None or version not in published.versions:
        return None
    if len(case.evidence.packages) != 1 or published.name != case.evidence.packages[0]:
        return None
    newest = published.newest if published.newest and published.newest.version == version else None
    since = f", published {ago(newest.published_at, case.now)}" if newest and newest.published_at else ""
    name = f"{named(published.name)} {named(version)}"
    after = newest is not None and newest.published_at is not None and newest.published_at - case.at > IN_THE_RUN
    if after and case.diagnosis.cause != "version-exists":
        sentence, advice = (
            f"{name} is on the registry: it went out after this run failed.",
            "Nothing is to be done for this version: another attempt or another run published it.",
        )
    elif case.diagnosis.cause == "version-exists":
        sentence, advice = (
            f"{name} was published before this run tried to: nothing is missing.",
            "If it was this workflow, an earlier attempt or another job did it: let the workflow skip what is out.",
        )
    else:
        sentence, advice = (
            f"{name} is on the registry: nothing is missing.",
            "The publish went through before the error came, or an earlier attempt did it: re-run only what comes after"
            " the publish.",
        )
    return Verdict(
        code="version-exists",
        sentence=sentence,
        reasons=(f"the registry lists this version{since}",),
        advice=(
            advice,
            f"If its content should differ, raise the version: `{commands.view(published.name, version)}` shows what is"
            " there.",
        ),
        sure=True,
    )


def registry_side(case: Case) -> Verdict | None:
    """Unrelated repositories with unrelated tokens are refused within minutes. One token they share explains it
    better, and so may one organisation's secret: those count as one."""
    if case.diagnosis.cause not in _ALIKE:
        return None
    others = [
        other
        for other in case.evidence.elsewhere
        if other.cause in _ALIKE
        and other.repo.lower() != case.attempt.repo.lower()
        and abs(case.now - other.seen_at) <= MOST_APART
    ]
    token = case.token
    ours = {token.id} if token is not None and token.id is not None else set()
    owners = {case.attempt.repo.lower().partition("/")[0]}
    tokens: set[int] = set()
    repos: set[str] = set()
    # Those with a known token first: one of unknown token counts only where no known one can be behind it.
    for other in sorted(others, key=lambda other: (other.token_id is None, other.repo)):
        owner = other.repo.lower().partition("/")[0]
        if other.token_id is None:
            if owner in owners:
                continue
        elif other.token_id in ours | tokens or (not ours and owner in owners):
            continue
        else:
            tokens.add(other.token_id)
        owners.add(owner)
        repos.add(other.repo.lower())
    if len(repos) < LEAST_OTHERS:
        return None
    first = min(other.seen_at for other in others)
    where = "npm" if case.npm else "The registry"
    return Verdict(
        code="registry-side",
        sentence=f"{where} is probably at fault: within {span(max(case.now - first, timedelta(minutes=1)))} it refused"
        f" {len(repos) + 1} repositories that share no token.",
        reasons=("also refused: " + ", ".join(named(repo, 40) for repo in sorted(repos)[:4]),),
        advice=(
            "Do not replace a token yet: unrelated ones fail in the same minutes.",
            "Look at https://status.npmjs.org and re-run the failed jobs when it is over."
            if case.npm
            else "Re-run the failed jobs when it is over.",
        ),
    )


def new_name(case: Case) -> Verdict | None:
    """A name nobody has published, and a credential that may not create it."""
    published = case.evidence.published
    if published is None or published.exists or case.known_ones_failed_too:
        return None
    good, scoped = case.evidence.last_good, published.name.startswith("@")
    if good is not None and good.published and good.package == published.name:
        return None  # it is private
    name = named(published.name)
    sentence = f"{name} has never been published in public, and this credential was not allowed to create it."
    if case.private:
        sentence = f"The public registry does not show {name}: it has never been published, or it is private."
    return Verdict(
        code="new-name",
        sentence=sentence,
        reasons=("the registry knows no public package of this name",),
        advice=(
            "Check the spelling of the name" + (" and that the scope is yours." if scoped else "."),
            f"If it is new, publish the first version by hand (`{commands.first_publish(public=not case.private)}`):"
            " trusted publishing and tokens limited to existing packages cannot create a name.",
            *(
                ("If it is private, see whether the token is still in `npm token list` and may write to it.",)
                if case.private
                else ()
            ),
        ),
        match=case.match,
    )


def only_the_push_failed(case: Case) -> Verdict | None:
    """The release tool could not push or tag, and the version is out already."""
    out = [package for package in case.diagnosis.packages if package.outcome == "published"]
    if not out or len(out) < len(case.diagnosis.packages):
        return None
    names = listed(f"{named(package.package)} {package.version or ''}".strip() for package in out)
    verb = "was" if len(out) == 1 else "were"
    return Verdict(
        code="github-auth",
        sentence=f"{names} {verb} published, but the release could not be pushed or tagged on GitHub.",
        reasons=("the log shows the publish before the push was refused",),
        advice=("Do not publish again: push the tag or make the GitHub release by hand.", *case.diagnosis.fix),
        sure=True,
    )
