"""What release engineers met in the last months of 2026, one failed run each: other clients and runners, central
workflows, environments, secrets written while a run was under way, several publishers of one package."""

from __future__ import annotations

import pytest

from storage.tokens import Use
from tests import npm_logs
from tests.late_2026 import (
    BAD_NPM_TOKEN,
    BUN,
    BY_OIDC,
    CENTRAL,
    FRESH,
    IN_BROWSER,
    NO_NPM_TOKEN,
    NO_SECRET,
    OLD,
    PNPM,
    PROVENANCE,
    SEMANTIC,
    YARN,
    Met,
    minutes_ago,
    of,
    publisher,
    ran,
    refused_put,
    silent,
)
from tests.running import Running
from tests.situations import (
    BOTH,
    BY_TRUST,
    CALLED,
    NO_ID_TOKEN,
    PACKAGE,
    WITH_TOKEN,
    denied,
    exchange_refused,
    install_refused,
)
from tests.worlds import ago, by_trust, explained, token, trusted, use

MET = (
    Met(
        "a token of pnpm beside a working trust",
        PNPM,
        "token-shadows-trust",
        "has a trusted publisher that needs none",
        "Take `NODE_AUTH_TOKEN` out",
        of(
            workflow=BOTH.replace("npm publish", "pnpm publish -r"),
            released=BY_OIDC,
            secrets=(("NPM_TOKEN", "repository", 200),),
        ),
        lacks=("npm token create",),
    ),
    Met(
        "the file renamed, npm 12, not a word",
        npm_logs.need_auth(token=False, npm="12.2.0"),
        "publisher-mismatch",
        "names publish.yml, but the run came from release.yml",
        "npm trust github @acme/ui --repo acme/ui --file release.yml",
        of(workflow=BY_TRUST, secrets=NO_SECRET, released=BY_OIDC, known=(publisher("publish.yml"),)),
    ),
    Met(
        "the central workflow's repository was trusted",
        exchange_refused("@acme/ui", "2.3.1"),
        "publisher-mismatch",
        "names acme/workflows, where the reusable workflow is; the registry compares the repository that calls it",
        "--repo acme/ui --file release.yml",
        of(
            workflow=CENTRAL,
            secrets=NO_SECRET,
            files=(("acme/workflows", ".github/workflows/publish.yml", CALLED),),
            known=(trusted(Use("acme/workflows", "publish.yml", None, "elsewhere")),),
        ),
        lacks=("its old name back",),
    ),
    Met(
        "an environment in other case",
        exchange_refused("@acme/ui", "2.3.1"),
        "publisher-mismatch",
        "names environment Release, but the run came from environment release",
        "--env release",
        of(
            workflow=BY_TRUST.replace("ubuntu-latest", "ubuntu-latest\n    environment: release"),
            secrets=NO_SECRET,
            known=(trusted(by_trust(environment="Release")),),
        ),
    ),
    Met(
        "staged twice",
        refused_put("E409", "Conflict - PUT - version 2.3.1 is already staged"),
        "already-staged",
        "already staged",
        "npm stage list @acme/ui",
        of(workflow=BY_TRUST.replace("npm publish", "npm stage publish")),
        lacks=("npm token create",),
    ),
    Met(
        "a token that only stages has ended",
        npm_logs.rejected(),
        "token-expired",
        "Token ci expired 2 days ago",
        "--packages-and-scopes-permission read-write-stage-only",
        of(
            known=lambda: (token("ci", -60, -2, use(), permission="read-write-stage-only"),),
            workflow=WITH_TOKEN.replace("npm publish", "npm stage publish"),
        ),
        lacks=("bypass 2FA",),
    ),
    Met(
        "a registry of our own",
        refused_put("E401", "Unauthorized - PUT - authentication required", "npm.acme.internal"),
        "token-rejected",
        "The registry refused the token",
        "Create a new token on the registry's own page.",
        of(known=lambda: (token("ci", -20, 30, use()),), secrets=OLD),
        lacks=("npm token create", "trusted publishing", "ci"),
    ),
    Met(
        "GitHub Packages",
        refused_put("E403", "Forbidden - PUT - Permission permission_denied: write_package", "npm.pkg.github.com"),
        "insufficient-scope",
        "GitHub Packages",
        "permissions: { packages: write }",
        of(known=lambda: (token("ci", -20, 30, use()),), secrets=NO_SECRET),
        lacks=("npm token create",),
    ),
    Met(
        "the job lost its environment",
        npm_logs.need_auth(token=False),
        "secret-absent",
        "runs in no environment, and only environment npm has a secret NPM_TOKEN",
        "environment: npm",
        of(secrets=(("NPM_TOKEN", "npm", 10),)),
        lacks=("gh secret set",),
    ),
    Met(
        "two environments have it",
        npm_logs.need_auth(token=False),
        "secret-absent",
        "only environments npm and staging have a secret NPM_TOKEN",
        "environment: npm",
        of(secrets=(("NPM_TOKEN", "npm", 10), ("NPM_TOKEN", "staging", 10))),
    ),
    Met(
        "a runner that somebody else hosts",
        silent,
        "trust-refused",
        "though the publisher on record fits this run",
        "See whether GitHub hosts the runner blacksmith-4vcpu-ubuntu-2404",
        of(
            secrets=NO_SECRET,
            workflow=BY_TRUST.replace("ubuntu-latest", "blacksmith-4vcpu-ubuntu-2404"),
            known=lambda: (trusted(by_trust()),),
            labels=("blacksmith-4vcpu-ubuntu-2404",),
        ),
    ),
    Met(
        "a larger runner of GitHub",
        silent,
        "trust-refused",
        "though the publisher on record fits this run",
        "Compare `npm trust list @acme/ui`",
        of(
            secrets=NO_SECRET,
            labels=("ubuntu-24.04-arm",),
            workflow=BY_TRUST.replace("ubuntu-latest", "ubuntu-24.04-arm"),
            known=lambda: (trusted(by_trust()),),
        ),
    ),
    Met(
        "yarn with an old secret",
        YARN,
        "secret-old",
        "has probably expired",
        "npm token create",
        of(
            workflow=WITH_TOKEN.replace("npm publish", "yarn npm publish").replace("NODE_AUTH", "YARN_NPM_AUTH"),
            secrets=OLD,
        ),
    ),
    Met(
        "bun with an old secret",
        BUN,
        "secret-old",
        "has probably expired",
        "npm token create",
        of(workflow=WITH_TOKEN.replace("npm publish", "bun publish").replace("NODE_AUTH", "NPM_CONFIG"), secrets=OLD),
    ),
    Met(
        "asked in the browser, no record",
        IN_BROWSER,
        "otp-required",
        "the token does not bypass 2FA",
        "have a second person approve that first",
        lacks=("--bypass-2fa",),
    ),
    Met(
        "semantic-release refuses its token",
        ran("npx semantic-release", SEMANTIC, BAD_NPM_TOKEN, variable="NPM_TOKEN"),
        "token-rejected",
        "The registry refused the token",
        "npm token create",
        of(
            secrets=(("NPM_TOKEN", "repository", 8),),
            workflow=WITH_TOKEN.replace("npm publish", "npx semantic-release").replace("NODE_AUTH_TOKEN", "NPM_TOKEN"),
        ),
        has=("tokens live 7 days when nobody chooses",),
    ),
    Met(
        "semantic-release too old for trust",
        ran("npx semantic-release", SEMANTIC, NO_NPM_TOKEN),
        "trust-refused",
        "probably refused",
        "See that `@semantic-release/npm` is 13 or newer",
        of(
            secrets=NO_SECRET,
            workflow=BY_TRUST.replace("npm publish", "npx semantic-release"),
            known=lambda: (trusted(by_trust()),),
        ),
    ),
    Met(
        "published directly by the publisher that may stage",
        denied("@acme/ui", "2.3.1"),
        "direct-publish-denied",
        "may only stage versions",
        "npm stage publish",
        of(
            workflow=BY_TRUST,
            secrets=NO_SECRET,
            known=lambda: (publisher("release.yml", "read-write-stage-only"), publisher("hotfix.yml")),
        ),
    ),
    Met(
        "denied though its publisher may publish",
        denied("@acme/ui", "2.3.1"),
        "direct-publish-denied",
        "does not allow it this action",
        "--allow-publish",
        of(
            workflow=BY_TRUST,
            secrets=NO_SECRET,
            known=lambda: (publisher("release.yml"), publisher("stage.yml", "read-write-stage-only")),
        ),
        lacks=("may only stage versions",),
    ),
    Met(
        "written while the run was under way",
        npm_logs.rejected(),
        "secret-renewed-since",
        "while this run was under way, which had the value of before: run it again",
        "Re-run the failed jobs",
        of(secrets=FRESH, started_at=lambda: minutes_ago(20), known=lambda: (token("ci", -95, -1, use()),)),
        lacks=("npm token create", "expired"),
    ),
    Met(
        "written before the run was re-run",
        npm_logs.rejected(),
        "secret-wrong-value",
        "probably a wrong or cut-off value",
        "Store the token again",
        of(secrets=FRESH, started_at=lambda: minutes_ago(2), attempt=2),
    ),
    Met(
        "an environment's secret is read when its job starts",
        npm_logs.rejected(),
        "secret-wrong-value",
        "probably a wrong or cut-off value",
        "gh secret set NPM_TOKEN --repo acme/ui --env npm",
        of(
            secrets=(("NPM_TOKEN", "npm", 0),),
            started_at=lambda: minutes_ago(240),
            job_started_at=lambda: minutes_ago(2),
            workflow=WITH_TOKEN.replace("ubuntu-latest", "ubuntu-latest\n    environment: npm"),
        ),
    ),
    Met(
        "package.json names the old repository",
        PROVENANCE,
        "provenance-rejected",
        "rejected the provenance",
        "git+https://github.com/acme/ui.git",
        of(workflow=BY_TRUST, secrets=NO_SECRET, known=lambda: (trusted(by_trust()),)),
        lacks=("npm token create",),
    ),
    Met(
        "capped in February",
        npm_logs.not_found(),
        "token-expired",
        "the registry lets no such token live past",
        "npm token create",
        of(known=lambda: (token("ci", -310, 55, use()),), secrets=(("NPM_TOKEN", "repository", 310),)),
        has=("its record contradicts the registry's rules",),
    ),
    Met(
        "a week after it was made, and it worked",
        npm_logs.not_found(),
        "secret-old",
        "tokens live 7 days when nobody chooses",
        "--expires 90",
        of(secrets=(("NPM_TOKEN", "repository", 7.5),), released=((PACKAGE, "2.3.0", "token", 3),)),
        worked=3,
    ),
    Met(
        "the organisation was renamed",
        silent,
        "publisher-mismatch",
        "names oldacme/ui, but the run came from acme/ui",
        "--repo acme/ui",
        of(
            workflow=BY_TRUST,
            secrets=NO_SECRET,
            released=BY_OIDC,
            known=(trusted(Use("oldacme/ui", "release.yml", None, "elsewhere")),),
        ),
    ),
    Met(
        "trust for another package is no reason",
        npm_logs.not_found(),
        "token-expired",
        "Token ci expired a day ago",
        "npm token create",
        of(
            secrets=(("NPM_TOKEN", "repository", 91),),
            known=lambda: (token("ci", -91, -1, use()), publisher("release.yml", packages=("@acme/api",))),
        ),
        lacks=("trusted publisher that needs none",),
    ),
    Met(
        "too many requests",
        refused_put("E429", "Too Many Requests - PUT"),
        "rate-limited",
        "the credential is not at fault",
        "Wait",
        of(known=lambda: (token("ci", -91, -1, use()),)),
        lacks=("npm token create", "expired"),
    ),
    Met(
        "refused after it went through",
        refused_put("E503", "Service Unavailable - PUT"),
        "version-exists",
        "2.3.1 is on the registry: nothing is missing",
        "re-run only what comes after",
        of(released=((PACKAGE, "2.3.1", "token", 0), (PACKAGE, "2.3.0", "token", 9))),
        lacks=("npm token create",),
    ),
    Met(
        "a branch without id-token",
        silent,
        "id-token-missing",
        "lacks `id-token: write`",
        "id-token: write",
        of(workflow=NO_ID_TOKEN, secrets=NO_SECRET, released=BY_OIDC, event="workflow_dispatch", branch="hotfix"),
        has=("Release again",),
    ),
    Met(
        "installing fails beside a trust that works",
        install_refused("@acme/ui", "2.3.1"),
        "secret-old",
        "90 days is the longest",
        "--packages-and-scopes-permission read-only",
        of(workflow=BOTH, secrets=OLD, known=lambda: (trusted(by_trust()),)),
        lacks=("bypass 2FA",),
    ),
    Met(
        "an empty variable beside a trust",
        silent,
        "trust-refused",
        "though the publisher on record fits",
        "Compare `npm trust list @acme/ui`",
        of(
            workflow=BY_TRUST + '        env: { NODE_AUTH_TOKEN: "" }\n',
            secrets=NO_SECRET,
            released=BY_OIDC,
            known=lambda: (trusted(by_trust()),),
        ),
    ),
    Met(
        "the scope forgotten",
        npm_logs.not_found("acme-ui", "1.0.0"),
        "new-name",
        "acme-ui has never been published",
        "Check the spelling",
        of(
            released=(),
            secrets=(("NPM_TOKEN", "repository", 4),),
            known=lambda: (token("ci", -5, 80, use(), packages=(), scopes=("@acme",)),),
        ),
        has=("may not publish acme-ui",),
    ),
    Met(
        "a year-old organisation secret, one token for all",
        npm_logs.rejected(),
        "token-expired",
        "Token org expired 5 days ago",
        "--packages @acme/ui",
        of(
            secrets=(("NPM_TOKEN", "organization", 95),),
            known=lambda: (token("org", -95, -5, use(level="organization", repo="acme/*", workflow=None)),),
        ),
        has=("gh secret set NPM_TOKEN --org acme",),
    ),
)


NO_PERMISSIONS_ANYWHERE = "on: push\njobs:\n  release:\n    uses: ./.github/workflows/publish.yml\n"
MET += (
    Met(
        "a publisher of GitLab alone",
        exchange_refused("@acme/ui", "2.3.1"),
        "publisher-mismatch",
        "names acme/group/ui, but the run came from acme/ui",
        "--repo acme/ui --file release.yml",
        of(
            workflow=BY_TRUST,
            secrets=NO_SECRET,
            known=(trusted(Use("acme/group/ui", ".gitlab-ci.yml", None, "elsewhere")),),
        ),
        lacks=("its old name back",),
    ),
    Met(
        "a registry of our own says 404",
        refused_put("E404", "Not Found - PUT - Not found", "npm.acme.internal"),
        "no-access",
        "404",
        "Check that the token's owner may write to the package",
        of(secrets=OLD),
        lacks=("npm token", "7 days", "rusted publishing", "2FA"),
    ),
    Met(
        "neither the caller nor the called workflow writes permissions",
        silent,
        "id-token-missing",
        "lacks `id-token: write`",
        "The calling job needs them too",
        of(
            workflow=NO_PERMISSIONS_ANYWHERE,
            files=(("acme/ui", ".github/workflows/publish.yml", CALLED),),
            secrets=NO_SECRET,
            released=BY_OIDC,
        ),
    ),
    Met(
        "the secret that installs also publishes",
        install_refused("@acme/ui", "2.3.1"),
        "secret-old",
        "90 days is the longest",
        "--packages-and-scopes-permission read-write`",
        of(secrets=OLD),
    ),
)


@pytest.mark.parametrize("met", MET, ids=lambda met: met.name)
async def test_what_was_met(running: Running, met: Met) -> None:
    if met.worked is not None:
        running.outside.github.add_run(number=50, conclusion="success", completed_at=ago(met.worked))
    said = await explained(running, met.log, **met.given())
    assert said.verdict.code == met.code
    assert met.says in said.verdict.sentence
    assert met.step in said.first_step
    for expected in met.has:
        assert expected in said.card
    for unwanted in met.lacks:
        assert unwanted not in said.card.replace("acme/ci", "")
    assert "--bypass-2fa" not in said.card
