"""Which stored token a failed publish used, and how sure that is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.evidence import SecretAge
from bot.matching import PublishAttempt, covers, holds, match, same_workflow
from storage.tokens import Token, Use

ATTEMPT = PublishAttempt("acme/ui", ".github/workflows/release.yml", "npm", ("@acme/ui",), ("NPM_TOKEN",))
OIDC = PublishAttempt("acme/ui", ".github/workflows/release.yml", "npm", ("@acme/ui",))
REVOKED = datetime(2026, 11, 1, tzinfo=UTC)

REPO = Token("repo", scopes=("@acme",), used_by=(Use("Acme/UI", "release.yml", "npm_token"),))
ORG = Token("org", scopes=("@acme",), used_by=(Use("acme/*", None, "NPM_TOKEN", "organization"),))
TRUST = Token(
    "trust",
    kind="trusted-publisher",
    packages=("@acme/ui",),
    used_by=(Use("acme/ui", "release.yml", None, "elsewhere"),),
)


def test_the_secret_that_the_workflow_reads_names_the_token() -> None:
    other = Token("other", scopes=("@acme",), used_by=(Use("acme/ui", "release.yml", "OTHER"),))
    found = match(ATTEMPT, [other, REPO])
    assert found.best is not None and found.best.token is REPO and not found.guess and not found.ties
    assert found.best.reasons == ("secret npm_token of Acme/UI is read by this workflow", "may publish @acme/*")


@pytest.mark.parametrize("repo", ["acme", "acme/*", "ACME/*", "acme/api"])
def test_an_organisation_secret_reaches_every_repository_of_it(repo: str) -> None:
    token = Token("org", used_by=(Use(repo, None, "NPM_TOKEN", "organization"),))
    found = match(ATTEMPT, [token])
    assert found.best is not None and not found.guess
    named = repo.partition("/")[0]
    assert found.best.reasons == (f"secret NPM_TOKEN of organisation {named} is read by this workflow",)


def test_github_reads_environment_before_repository_before_organisation() -> None:
    env = Token("env", used_by=(Use("acme/ui", None, "NPM_TOKEN", "environment", "prod"),))
    repo = Token("repo", used_by=(Use("acme/ui", None, "NPM_TOKEN"),))
    org = Token("org", used_by=(Use("acme", None, "NPM_TOKEN", "organization"),))
    in_prod = PublishAttempt("acme/ui", "release.yml", "npm", (), ("NPM_TOKEN",), "Prod")
    in_staging = PublishAttempt("acme/ui", "release.yml", "npm", (), ("NPM_TOKEN",), "staging")
    for attempt, expected in ((in_prod, env), (in_staging, repo), (ATTEMPT, repo)):
        found = match(attempt, [org, repo, env])
        assert found.best is not None and found.best.token is expected
    found = match(in_staging, [env])
    assert found.best is None


def test_a_renamed_workflow_still_reads_the_same_secret() -> None:
    token = Token("t", used_by=(Use("acme/ui", "old-name.yml", "NPM_TOKEN"),))
    found = match(ATTEMPT, [token])
    assert found.best is not None and not found.guess


def test_a_token_that_lacks_the_package_is_still_the_one_and_says_so() -> None:
    """The wrong package list is often why the publish failed."""
    token = Token("t", packages=("@acme/api",), used_by=(Use("acme/ui", None, "NPM_TOKEN"),))
    found = match(ATTEMPT, [token, Token("rights-only", scopes=("@acme",))])
    assert found.best is not None and found.best.token is token
    assert "its package list does not contain @acme/ui" in found.best.reasons


def test_a_token_of_another_registry_never_matches() -> None:
    twin = Token("twin", registry="github-packages", scopes=("@acme",), used_by=REPO.used_by)
    assert match(ATTEMPT, [twin]).best is None


def test_a_revoked_token_matches_and_says_so_but_a_living_one_comes_first() -> None:
    revoked = Token("revoked", revoked_at=REVOKED, used_by=(Use("acme/ui", None, "NPM_TOKEN"),))
    living = Token("z-living", used_by=(Use("acme/ui", None, "NPM_TOKEN"),))
    alone = match(ATTEMPT, [revoked])
    assert alone.best is not None and "it was revoked on 2026-11-01" in alone.best.reasons
    both = match(ATTEMPT, [revoked, living])
    assert both.best is not None and both.best.token is living and not both.ties


def test_equal_candidates_are_called_ties() -> None:
    twins = [Token(name, used_by=(Use("acme/ui", None, "NPM_TOKEN"),)) for name in ("b", "a", "c")]
    found = match(ATTEMPT, twins)
    assert found.best is not None and found.best.token.name == "a"
    assert [tie.token.name for tie in found.ties] == ["b", "c"]
    assert found.best.reasons[-1] == "as likely: b and c"


def test_without_any_tie_to_the_workflow_the_best_is_called_a_guess() -> None:
    found = match(ATTEMPT, [Token("scope", scopes=("@acme",)), Token("bare")])
    assert found.guess and found.best is not None and found.best.token.name == "scope"
    assert found.best.reasons[-1].startswith("a guess")


def test_the_only_token_of_the_registry_is_a_guess_and_one_of_several_is_none() -> None:
    assert match(ATTEMPT, [Token("bare")]).guess
    assert match(ATTEMPT, [Token("bare"), Token("bare-2")]).best is None
    assert match(ATTEMPT, [Token("wrong", packages=("left-pad",))]).best is None


def test_a_token_recorded_elsewhere_is_not_guessed() -> None:
    assert match(ATTEMPT, [Token("t", scopes=("@acme",), used_by=(Use("acme/api", None, "NPM_TOKEN"),))]).best is None


def test_a_trusted_publisher_is_the_credential_of_a_job_without_secrets() -> None:
    found = match(OIDC, [TRUST, ORG])
    assert found.best is not None and found.best.token is TRUST and not found.guess
    assert match(ATTEMPT, [TRUST, ORG]).best is not None
    best = match(ATTEMPT, [TRUST, ORG]).best
    assert best is not None and best.token is ORG


def test_trust_in_another_workflow_file_is_a_guess_that_names_the_file() -> None:
    """What a renamed workflow file leaves behind."""
    attempt = PublishAttempt("acme/ui", "publish.yml", "npm", ("@acme/ui",))
    found = match(attempt, [TRUST])
    assert found.guess and found.best is not None
    assert found.best.reasons[0] == "release.yml of acme/ui is a trusted publisher, this workflow is not"


def test_no_tokens_match_nothing() -> None:
    assert match(ATTEMPT, []).best is None


@pytest.mark.parametrize(
    ("token", "package", "expected"),
    [
        (Token("t"), "@acme/ui", None),
        (Token("t", orgs=("acme",)), "@acme/ui", None),
        (Token("t", packages=("@Acme/UI",)), "@acme/ui", True),
        (Token("t", packages=("*",)), "@acme/ui", True),
        (Token("t", packages=("acme-*",), registry="crates"), "acme-ui", True),
        (Token("t", packages=("[a]*",)), "a", False),
        (Token("t", scopes=("@acme",)), "@acme/ui", True),
        (Token("t", scopes=("@acme",)), "@acme2/ui", False),
        (Token("t", scopes=("@acme",)), "acme", False),
    ],
)
def test_lists_cover_packages_as_registries_read_them(token: Token, package: str, expected: bool | None) -> None:
    assert covers(token, package) is expected


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("release.yml", ".github/workflows/release.yml", True),
        (".github/workflows/Release.yml", ".github/workflows/release.yml", True),
        ("a/release.yml", "b/release.yml", False),
        ("release.yml", "publish.yml", False),
    ],
)
def test_a_workflow_is_known_by_its_path_or_its_bare_file_name(one: str, other: str, same: bool) -> None:
    assert same_workflow(one, other) is same


def test_pypi_names_are_compared_as_pypi_compares_them() -> None:
    held = Token(name="x", registry="pypi", packages=("acme-ui",))
    assert [covers(held, name) for name in ("acme_ui", "Acme.UI", "acme--ui", "acmeui")] == [True, True, True, False]
    assert covers(Token(name="x", packages=("acme-ui",)), "acme_ui") is False


def test_a_day_that_somebody_typed_is_some_time_of_that_day() -> None:
    secret = SecretAge("NPM_TOKEN", "repository", datetime(2026, 11, 19, 23, tzinfo=UTC))
    assert holds(secret, Token(name="x", created_at=datetime(2026, 11, 20, tzinfo=UTC))) is True
    assert holds(secret, Token(name="x", created_at=datetime(2026, 11, 20, 1, tzinfo=UTC))) is False
    assert holds(secret, Token(name="x", created_at=datetime(2026, 11, 21, tzinfo=UTC))) is False
