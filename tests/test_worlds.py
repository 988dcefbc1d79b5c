"""What maintainers of monorepos, forks, private packages and big organisations meet: facts a single look misses."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.demo.github import job_from_log
from storage import incidents, runs, tokens
from storage.runs import RunRecord
from storage.tokens import Token
from tests import npm_logs
from tests.running import Running
from tests.situations import (
    BY_TRUST,
    PACKAGE,
    RELEASE,
    WITH_TOKEN,
    exchange_refused,
    install_refused,
    may_not,
    no_auth,
    silent_oidc,
)
from tests.worlds import ago, by_trust, changesets, explained, token, trusted, use

CHANGESETS = WITH_TOKEN.replace("npm publish", "npx changeset publish").replace("NODE_AUTH_TOKEN", "NPM_TOKEN")
BY_CHANGESETS = BY_TRUST.replace("npm publish", "npx changeset publish")
RECENT = (("NPM_TOKEN", "repository", 19),)
COMPUTED = "ubuntu-latest\n    environment: ${{ inputs.to }}"
SOME_OUT = changesets(("@acme/ui", "2.4.0", True), ("@acme/api", "1.1.0", True), ("@acme/icons", "1.0.1", False))
OUT = (("@acme/ui", "2.4.0", "token", 0), ("@acme/api", "1.1.0", "token", 0))


# --- many packages ---------------------------------------------------------------------------------------------------


async def test_a_token_that_published_another_package_in_the_same_run_is_alive(running: Running) -> None:
    expired = token("ci", -95, -3, use(), packages=(), scopes=("@acme",))
    released = (*OUT, ("@acme/icons", "1.0.0", "token", 9))
    secrets = (("NPM_TOKEN", "repository", 94),)
    said = await explained(running, SOME_OUT, workflow=CHANGESETS, secrets=secrets, released=released, known=(expired,))
    assert said.verdict.code == "insufficient-scope"
    assert (
        "The token is alive, for it published @acme/ui in the same run, but may not publish @acme/icons." in said.card
    )
    assert said.first_step.startswith("See whether the token's owner may write to it")
    assert "the record of ci says it ended on" in said.card
    assert "is dead" not in said.card


async def test_what_the_record_grants_explains_which_package_of_many_failed(running: Running) -> None:
    limited = token("ci", -30, 20, use(), packages=("@acme/ui", "@acme/api"))
    said = await explained(running, SOME_OUT, workflow=CHANGESETS, released=OUT, known=(limited,))
    assert said.verdict.code in ("new-name", "token-not-granted")
    released = (("@acme/icons", "1.0.0", "token", 9),)
    said = await explained(running, SOME_OUT, workflow=CHANGESETS, released=released)
    assert said.verdict.code == "token-not-granted"
    assert "may not publish @acme/icons" in said.verdict.sentence


async def test_a_new_package_among_published_ones(running: Running) -> None:
    said = await explained(
        running, SOME_OUT, workflow=CHANGESETS, released=OUT, secrets=(("NPM_TOKEN", "repository", 94),)
    )
    assert said.verdict.code == "new-name"
    assert said.verdict.sentence.startswith("@acme/icons has never been published")
    assert "the version was published" not in said.card


async def test_a_new_package_is_not_why_known_ones_failed_beside_it(running: Running) -> None:
    log = changesets(("@acme/new", "1.0.0", False), ("@acme/ui", "2.4.0", False), ("@acme/api", "1.1.0", False))
    released = (("@acme/ui", "2.3.0", "token", 40), ("@acme/api", "1.0.0", "token", 40))
    said = await explained(running, log, workflow=CHANGESETS, released=released)
    assert said.verdict.code == "no-access"
    old = (("NPM_TOKEN", "repository", 95),)
    said = await explained(running, log, workflow=CHANGESETS, released=(), secrets=old)
    assert said.verdict.code == "secret-old"
    assert "besides" not in said.card


async def test_trusted_publishing_that_works_for_one_package_and_not_for_the_next(running: Running) -> None:
    log = changesets(("@acme/ui", "2.4.0", True), ("@acme/icons", "1.0.1", False))
    released = (("@acme/ui", "2.4.0", "oidc", 0), ("@acme/icons", "1.0.0", "token", 9))
    said = await explained(running, log, workflow=BY_CHANGESETS, released=released, secrets=())
    assert said.verdict.code == "publisher-missing"
    assert said.verdict.sentence == (
        "@acme/icons probably does not trust release.yml: the same run published @acme/ui by trusted publishing."
    )
    assert "npm trust github @acme/icons --repo acme/ui --file release.yml" in said.first_step


async def test_jobs_that_publish_with_tokens_of_their_own_are_not_mixed_up(running: Running) -> None:
    """A matrix fails in both its jobs, and each has a token for its own package alone."""
    include = "include: [{pkg: ui, secret: UI_TOKEN}, {pkg: api, secret: API_TOKEN}]"
    workflow = f"""
on: push
jobs:
  publish:
    strategy: {{ matrix: {{ {include} }} }}
    runs-on: ubuntu-latest
    steps:
      - run: npm publish -w ${{{{ matrix.pkg }}}}
        env: {{ NODE_AUTH_TOKEN: "${{{{ secrets[matrix.secret] }}}}" }}
"""
    jobs = [
        job_from_log("publish (ui, UI_TOKEN)", npm_logs.forbidden("You may not perform that action.", "@acme/ui")),
        job_from_log("publish (api, API_TOKEN)", npm_logs.forbidden("You may not perform that action.", "@acme/api")),
    ]
    known = (
        token("of-ui", -20, 30, use("UI_TOKEN"), packages=("@acme/ui",)),
        token("of-api", -20, 30, use("API_TOKEN"), packages=("@acme/api",)),
    )
    secrets = (("UI_TOKEN", "repository", 19), ("API_TOKEN", "repository", 19))
    said = await explained(running, "", workflow=workflow, known=known, secrets=secrets, jobs=jobs)
    assert said.verdict.code == "insufficient-scope"
    assert "Token of-ui was not allowed to publish @acme/ui, though its record grants it." in said.card
    assert "None of 2 packages was published" in said.card


async def test_a_package_that_went_to_another_registry_says_nothing_of_the_token(running: Running) -> None:
    """`npm publish` twice, for GitHub Packages and for npm: the first goes out with a token of its own."""
    first = npm_logs.published("@acme/api", "1.1.0")
    log = first + npm_logs.not_found("@acme/ui", "2.4.0")
    expired = token("ci", -60, -3, use())
    said = await explained(running, log, known=(expired,))
    assert said.verdict.code == "token-expired"


# --- private packages ------------------------------------------------------------------------------------------------


async def test_a_private_package_that_this_workflow_published_is_no_new_name(running: Running) -> None:
    at = ago(8)
    record = RunRecord("acme/ui", 1, 1, RELEASE, "success", "published", "published", PACKAGE, "2.3.0", at, at)
    running.db.write_now(runs.keep, record)
    said = await explained(running, npm_logs.not_found(), released=())
    assert said.verdict.code == "token-stopped-working"


async def test_nobody_is_told_to_make_a_package_of_a_private_repository_public(running: Running) -> None:
    running.outside.github.world.private.add("acme/ui")
    for workflow, log in ((WITH_TOKEN, npm_logs.not_found()), (BY_TRUST, no_auth(PACKAGE, "2.3.1"))):
        said = await explained(running, log, workflow=workflow, released=())
        assert said.verdict.code == "new-name"
        assert "--access public" not in said.card
    said = await explained(running, npm_logs.not_found(), released=(), secrets=(("NPM_TOKEN", "repository", 93),))
    assert said.verdict.code == "secret-old"
    running.outside.github.world.private.clear()
    said = await explained(running, npm_logs.not_found(), released=(), secrets=(("NPM_TOKEN", "repository", 29),))
    assert "npm publish --access public" in said.card


async def test_ninety_days_are_the_end_of_a_token_whatever_the_name(running: Running) -> None:
    said = await explained(running, npm_logs.not_found(), released=(), secrets=(("NPM_TOKEN", "repository", 93),))
    assert said.verdict.code == "secret-old"
    assert "besides, @acme/ui has never been published in public" in said.card


# --- runs of some days ago -------------------------------------------------------------------------------------------


async def test_what_ended_after_the_run_is_not_why_it_failed(running: Running) -> None:
    said = await explained(running, npm_logs.not_found(), known=(token("ci", -30, -2, use()),), completed_at=ago(10))
    assert said.verdict.code == "no-access"
    assert "after this run had failed" in said.card
    said = await explained(running, npm_logs.not_found(), completed_at=ago(1))
    assert said.verdict.code == "token-expired"


async def test_a_secret_renewed_after_the_run_needs_nothing_but_another_run(running: Running) -> None:
    known = (token("ci", -95, -5, use()), token("ci-new", -0.1, 80, use()))
    secrets = (("NPM_TOKEN", "repository", 0.05),)
    said = await explained(running, npm_logs.not_found(), known=known, secrets=secrets, completed_at=ago(1))
    assert said.verdict.code == "secret-renewed-since"
    assert said.verdict.sentence.endswith("after this run failed: run it again.")
    assert "ci-new" not in said.card
    said = await explained(running, npm_logs.not_found())
    assert said.verdict.code != "secret-renewed-since"


async def test_a_secret_by_a_clock_ahead_of_ours_was_written_just_now(running: Running) -> None:
    running.hands.ahead = -timedelta(days=2)
    said = await explained(running, npm_logs.rejected(), secrets=(("NPM_TOKEN", "repository", 0),))
    assert "days ago" not in said.card.partition("@acme/ui exists")[0]
    assert "just now" in said.card


async def test_a_token_gone_from_npms_list_went_before_the_run_that_it_failed(running: Running) -> None:
    known = token("ci", -30, 20, use(), revoked_at=ago(0), listed_at=ago(9))
    said = await explained(running, npm_logs.rejected(), known=(known,), completed_at=ago(2))
    assert said.verdict.code == "token-revoked"
    assert "is gone from npm's list: probably revoked before this run" in said.verdict.sentence
    assert not said.verdict.sure
    stored = running.db.read_now(tokens.get, "ci")
    assert stored is not None
    assert stored.revoked_at is not None


# --- environments ----------------------------------------------------------------------------------------------------


async def test_an_environment_that_an_expression_names_may_have_a_secret_of_its_own(running: Running) -> None:
    workflow = WITH_TOKEN.replace("ubuntu-latest", COMPUTED)
    secrets = (("NPM_TOKEN", "repository", 120), ("NPM_TOKEN", "production", 5), ("OTHER", "staging", 5))
    said = await explained(running, npm_logs.not_found(), workflow=workflow, secrets=secrets)
    assert said.verdict.code == "no-access"
    assert said.evidence.secrets == ()
    assert "could not tell which NPM_TOKEN the job read: an expression names its environment" in said.card
    assert "and production may have another" in said.card
    running.outside.github.world.secrets["repos/acme/ui/environments/production"].clear()
    said = await explained(running, npm_logs.not_found(), workflow=workflow, secrets=())
    assert said.verdict.code == "secret-old"
    assert "Missing evidence" not in said.card


async def test_environments_that_cannot_be_read_leave_it_open_which_secret_was_read(running: Running) -> None:
    workflow = WITH_TOKEN.replace("ubuntu-latest", COMPUTED)
    running.outside.github.add_secret("OTHER", repo="acme/ui", environment="production", updated_at=ago(9))
    running.outside.github.fail("/environments/production/secrets", status=403, times=None)
    said = await explained(running, npm_logs.not_found(), workflow=workflow, secrets=(("NPM_TOKEN", "repository", 99),))
    assert said.verdict.code == "no-access"
    assert "could not read when the secrets of environment production were last written" in said.card
    running.outside.github.fail(r"GET /repos/acme/ui/environments\?", status=403, times=None)
    said = await explained(running, npm_logs.not_found(), workflow=workflow, secrets=())
    assert said.verdict.code == "no-access"
    assert "could not read which environments the repository has" in said.card


async def test_a_trusted_publisher_is_not_said_to_ask_for_what_an_expression_may_give(running: Running) -> None:
    workflow = BY_TRUST.replace("ubuntu-latest", COMPUTED)
    publisher = trusted(by_trust(environment="npm"))
    log = exchange_refused(PACKAGE, "2.3.1")
    said = await explained(running, log, workflow=workflow, known=(publisher,), secrets=())
    assert said.verdict.code == "oidc-publisher-mismatch"
    assert "the publisher on record asks for environment npm, and an expression names the job's" in said.card
    assert "seems to have none" not in said.card


# --- secrets ---------------------------------------------------------------------------------------------------------


async def test_a_secret_of_the_organisation_that_this_repository_may_not_read(running: Running) -> None:
    running.outside.github.add_secret("NPM_TOKEN", org="acme", updated_at=ago(3), visibility="selected")
    said = await explained(running, no_auth(PACKAGE, "2.3.1"), secrets=())
    assert said.verdict.code == "secret-absent"
    assert said.verdict.sentence == "Organisation acme has a secret NPM_TOKEN, but does not share it with acme/ui."
    del running.outside.github.api.permissions["organization_secrets"]
    said = await explained(running, no_auth(PACKAGE, "2.3.1"), secrets=())
    assert said.verdict.sentence == "No secret NPM_TOKEN was found for acme/ui, as far as the bot may look."
    assert "needs organization_secrets: read" in said.card


async def test_what_many_repositories_share_is_one_incident(running: Running) -> None:
    """Nobody recorded the token in the organisation's secret, and the releases of three repositories fail of it."""
    github = running.outside.github
    github.add_secret("NPM_TOKEN", org="acme", updated_at=ago(95))
    for name in ("ui", "api", "own"):
        github.add_file(f"acme/{name}", RELEASE, WITH_TOKEN)
        running.outside.registry.publish(f"@acme/{name}", "1.0.0", at=ago(40))
    github.add_secret("NPM_TOKEN", repo="acme/own", updated_at=ago(95))
    for number, name in enumerate(("ui", "api", "own")):
        await running.deliver_run(npm_logs.not_found(f"@acme/{name}", "1.1.0"), repo=f"acme/{name}")
        await running.worked(number + 1)
    found = running.db.read_now(incidents.latest)
    assert sorted((one.verdict, one.occurrences) for one in found) == [("secret-old", 1), ("secret-old", 2)]


async def test_npmrc_reads_another_variable_than_the_step_sets(running: Running) -> None:
    said = "npm warn config Failed to replace env in config: ${NPM_TOKEN}"
    log = npm_logs.need_auth(PACKAGE, "2.3.1", said)
    found = await explained(running, log)
    assert found.verdict.code == "secret-not-received"
    assert found.verdict.sentence == (
        "`.npmrc` reads NPM_TOKEN, which the step that publishes does not have: release.yml gives it as"
        " NODE_AUTH_TOKEN."
    )
    assert "`NPM_TOKEN: ${{ secrets.NPM_TOKEN }}`" in found.first_step


async def test_a_variable_of_github_is_no_secret(running: Running) -> None:
    workflow = WITH_TOKEN.replace("secrets.NPM_TOKEN", "vars.NPM_TOKEN")
    said = await explained(running, no_auth(PACKAGE, "2.3.1"), workflow=workflow)
    assert said.verdict.code == "secret-not-named"
    assert "release.yml passes `vars.NPM_TOKEN` to the step that publishes" in said.verdict.sentence
    assert "Read a secret there, `secrets.NPM_TOKEN`" in said.first_step


async def test_organisations_alone_give_a_token_no_right_to_publish(running: Running) -> None:
    known = token("ci", -20, 30, use(), packages=(), orgs=("acme",))
    said = await explained(
        running, may_not(PACKAGE, "2.3.1"), known=(known,), secrets=(("NPM_TOKEN", "repository", 19),)
    )
    assert said.verdict.code == "token-not-granted"
    assert "its record names organisations alone" in said.verdict.sentence
    assert not said.verdict.sure


async def test_a_record_does_not_say_that_a_read_only_token_may_publish(running: Running) -> None:
    known = token("ci", -20, 30, use(), permission="read-only")
    said = await explained(
        running, may_not(PACKAGE, "2.3.1"), known=(known,), secrets=(("NPM_TOKEN", "repository", 19),)
    )
    assert said.verdict.code == "token-read-only"
    assert "its list names @acme/ui" in said.card
    assert "may publish" not in said.card


async def test_runs_of_dependabot_are_judged_by_dependabots_secrets(running: Running) -> None:
    github = running.outside.github
    github.api.permissions |= {"dependabot_secrets": "read", "organization_dependabot_secrets": "read"}
    secrets = (("NPM_TOKEN", "dependabot-organization", 93), ("NPM_TOKEN", "repository", 3))
    said = await explained(running, npm_logs.rejected(), secrets=secrets, actor="dependabot[bot]")
    assert said.verdict.code == "secret-old"
    assert "`gh secret set NPM_TOKEN --org acme --app dependabot`" in said.verdict.advice[1]
    assert "Dependabot's of organisation acme" in said.card
    del github.api.permissions["organization_dependabot_secrets"]
    said = await explained(running, npm_logs.rejected(), secrets=(), actor="dependabot[bot]")
    assert "403, needs organization_dependabot_secrets: read" in said.card


async def test_a_secret_of_the_installing_step_is_judged_when_installing_failed(running: Running) -> None:
    install = (
        '      - run: npm ci\n        env: { NODE_AUTH_TOKEN: "${{ secrets.NPM_READ }}" }\n      - run: npm publish'
    )
    workflow = WITH_TOKEN.replace("      - run: npm publish", install)
    reads = token("read", -40, -2, use("NPM_READ"), permission="read-only")
    secrets = (("NPM_READ", "repository", 10), ("NPM_TOKEN", "repository", 95))
    said = await explained(running, install_refused(PACKAGE, ""), workflow=workflow, secrets=secrets, known=(reads,))
    assert said.verdict.code == "token-expired"
    assert "Token read expired 2 days ago." in said.card
    assert "NPM_TOKEN" not in said.card


async def test_a_called_workflow_out_of_reach_leaves_what_its_caller_hands_over(running: Running) -> None:
    calls = """
on: push
jobs:
  release:
    uses: acme/ci/.github/workflows/npm.yml@main
    secrets: { token: "${{ secrets.ORG_NPM }}" }
"""
    secrets = (("ORG_NPM", "organization", 95),)
    said = await explained(running, npm_logs.rejected(), workflow=calls, secrets=secrets, job="release / npm")
    assert said.verdict.code == "secret-old"
    assert "npm.yml@main: not there, or acme/ci is out of reach" in said.card


async def test_the_new_token_that_was_not_stored_yet_could_not_publish_either(running: Running) -> None:
    known = (token("old", -92, -2, use()), token("new", -1, 80, use(), bypass_2fa=False))
    said = await explained(running, npm_logs.not_found(), known=known, secrets=(("NPM_TOKEN", "repository", 91),))
    assert said.verdict.code == "secret-never-updated"
    assert said.verdict.then == ("Token new cannot publish unattended: it was made without 2FA bypass.",)


# --- what worked before ----------------------------------------------------------------------------------------------


async def test_a_release_by_oidc_proves_nothing_of_the_older_secret(running: Running) -> None:
    """The repository's secret is older than the organisation's, and the last release came by OIDC."""
    running.outside.github.add_run(number=50, conclusion="success", completed_at=ago(1))
    secrets = (("NPM_TOKEN", "repository", 60), ("NPM_TOKEN", "organization", 5))
    released = ((PACKAGE, "2.3.0", "oidc", 1),)
    said = await explained(running, npm_logs.rejected(), secrets=secrets, released=released)
    assert said.evidence.last_good is not None
    assert said.evidence.last_good.by == "oidc"
    assert said.verdict.code == "wrong-level-rotated"


async def test_an_older_release_with_the_token_counts_though_the_newest_came_by_oidc(running: Running) -> None:
    """Another workflow publishes by trust already; this one still has its token, which worked not long ago."""
    running.outside.github.add_run(number=50, conclusion="success", completed_at=ago(9))
    released = ((PACKAGE, "2.2.0", "token", 9), (PACKAGE, "2.3.0", "oidc", 1))
    said = await explained(running, npm_logs.rejected(), released=released)
    assert said.evidence.last_with_token is not None
    assert (said.evidence.last_with_token.version, said.evidence.last_with_token.by) == ("2.2.0", "token")
    assert said.verdict.code == "token-stopped-working"
    assert "published 9 days ago and is dead now" in said.verdict.sentence
    assert "the last good publish was on" in said.card and "(2.2.0)" in said.card


async def test_a_release_with_the_token_after_the_other_level_was_renewed_is_not_explained_by_it(
    running: Running,
) -> None:
    running.outside.github.add_run(number=50, conclusion="success", completed_at=ago(1))
    secrets = (("NPM_TOKEN", "repository", 60), ("NPM_TOKEN", "organization", 5))
    said = await explained(running, npm_logs.rejected(), secrets=secrets, released=((PACKAGE, "2.3.0", "token", 1),))
    assert said.verdict.code == "token-stopped-working"


async def test_an_end_that_the_token_outlived_is_not_its_end(running: Running) -> None:
    running.outside.github.add_run(number=50, conclusion="success", completed_at=ago(1))
    released = ((PACKAGE, "2.3.0", "token", 1),)
    known = token("ci", -30, -3, use())
    said = await explained(running, npm_logs.not_found(), known=(known,), released=released)
    assert said.verdict.code == "token-expired"
    assert "ci has probably expired: its recorded end was 3 days ago" in said.verdict.sentence
    assert "though this workflow published with it a day ago" in said.card
    stored = running.db.read_now(tokens.get, "ci")
    assert stored is not None
    running.db.write_now(tokens.change, replace(stored, expires_computed=True), ago(0))
    said = await explained(running, npm_logs.not_found(), released=())
    assert said.verdict.code == "token-stopped-working"


async def test_a_token_whose_secret_is_hidden_by_a_nearer_one_was_not_used(running: Running) -> None:
    of_organisation = token("org", -95, -5, use(level="organization", repo="acme/*", workflow=None))
    secrets = (("NPM_TOKEN", "repository", 10), ("NPM_TOKEN", "organization", 95))
    said = await explained(running, npm_logs.not_found(), secrets=secrets, known=(of_organisation,))
    assert said.verdict.code == "no-access"
    assert "None of the known tokens fits this workflow" in said.card


async def test_a_version_that_another_attempt_published_since(running: Running) -> None:
    released = ((PACKAGE, "2.3.1", "token", 0.5),)
    said = await explained(running, npm_logs.not_found(), released=released, completed_at=ago(1))
    assert said.verdict.sentence == "@acme/ui 2.3.1 is on the registry: it went out after this run failed."
    assert said.first_step.startswith("Nothing is to be done for this version")


# --- trusted publishing that was refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "known", "says"),
    [
        ("oidc", (), "though its newest version came that way: something of the run differs since"),
        ("token", (), "and its newest version came with a token: it may not trust release.yml at all"),
        ("oidc", (trusted(by_trust()),), "though the publisher on record fits this run"),
    ],
)
async def test_npm_says_nothing_of_a_refused_exchange(
    running: Running, by: str, known: tuple[Token, ...], says: str
) -> None:
    released = ((PACKAGE, "2.3.0", by, 4),)
    for log in (silent_oidc(PACKAGE, "2.3.1"), npm_logs.not_found(npm="11.6.2", token=False, placeholder=True)):
        said = await explained(running, log, workflow=BY_TRUST, released=released, known=known, secrets=())
        assert said.verdict.code == "trust-refused"
        assert says in said.verdict.sentence
        assert "this run: acme/ui, release.yml, no environment" in said.first_step
        assert "npm_config_loglevel: verbose" in said.card
        known = ()
    said = await explained(running, exchange_refused(PACKAGE, "2.3.1"), workflow=BY_TRUST, secrets=(), released=())
    assert said.verdict.code == "oidc-publisher-mismatch"
    assert said.verdict.sentence.startswith("The registry knows no trusted publisher of @acme/ui for this run, ")
    assert says in said.verdict.sentence


# --- repositories that were renamed ----------------------------------------------------------------------------------


async def test_a_rename_gives_a_repository_an_immutable_subject(running: Running) -> None:
    github, registry = running.outside.github, running.outside.registry
    registry.package(PACKAGE, repository="acme/old-ui")
    github.world.renamed["acme/old-ui"] = "acme/ui"
    publisher = trusted(by_trust())
    log, released = exchange_refused(PACKAGE, "2.3.1"), ((PACKAGE, "2.3.0", "oidc", 20),)
    said = await explained(running, log, workflow=BY_TRUST, known=(publisher,), released=released, secrets=())
    assert said.verdict.code == "immutable-subject"
    assert "acme/ui was called acme/old-ui when 2.3.0 was published" in said.verdict.sentence
    assert said.evidence.missing == ()


async def test_another_repository_of_a_former_name_is_no_rename(running: Running) -> None:
    running.outside.registry.package(PACKAGE, repository="somebody/upstream")
    log, released = exchange_refused(PACKAGE, "2.3.1"), ((PACKAGE, "2.3.0", "oidc", 20),)
    said = await explained(running, log, workflow=BY_TRUST, known=(trusted(by_trust()),), released=released, secrets=())
    assert said.evidence.former_name is None
    assert said.verdict.code == "oidc-publisher-mismatch"


async def test_a_publisher_that_names_the_former_repository(running: Running) -> None:
    running.outside.registry.package(PACKAGE, repository="acme/old-ui")
    running.outside.github.world.renamed["acme/old-ui"] = "acme/ui"
    publisher = trusted(by_trust(repo="acme/old-ui"))
    said = await explained(
        running, exchange_refused(PACKAGE, "2.3.1"), workflow=BY_TRUST, known=(publisher,), secrets=()
    )
    assert said.verdict.code == "publisher-mismatch"
    assert "acme/old-ui is what this repository was called before" in said.card


# --- lines that must not contradict each other -----------------------------------------------------------------------


async def test_the_tokens_line_goes_by_the_registrys_rule_where_the_record_cannot_be_true(running: Running) -> None:
    said = await explained(
        running,
        npm_logs.not_found(),
        known=(token("ci", -100, 200, use()),),
        secrets=(("NPM_TOKEN", "repository", 99),),
    )
    assert "has probably expired: the registry lets no such token live past" in said.card
    assert "probably expired 10 days ago, recorded:" in said.card
    assert "ends in" not in said.card


async def test_a_token_used_after_its_end_has_only_probably_expired_everywhere(running: Running) -> None:
    used = token("ci", -50, -20, use(), last_used_at=ago(3))
    said = await explained(running, npm_logs.not_found(), known=(used,))
    assert "ci  ·  probably expired 20 days ago" in said.card
