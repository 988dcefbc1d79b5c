"""What to do about each npm failure, first things first. Commands are exact and safe to paste. Pure data.

`npm token create --json` loses the value (npm prints `npm_***`), and without `--expires` a token lives 7 days: neither
is advised here.
"""

from __future__ import annotations

TRUSTED_DOCS = "https://docs.npmjs.com/trusted-publishers"
ABOUT_TOKENS = "https://docs.npmjs.com/about-access-tokens"
STAGE_DOCS = "https://docs.npmjs.com/staged-publishing"
PROVENANCE_DOCS = "https://docs.npmjs.com/generating-provenance-statements"
BYPASS_DOCS = "https://gh.io/npm-gat-bypass2fa-deprecation"

CREATE_ANOTHER = (
    "Create a new token: `npm token create --name NAME --expires 90 --packages PACKAGE "
    "--packages-and-scopes-permission read-write` (prints the value once; needs your password and second factor). To "
    "publish unattended it has to bypass 2FA as well: have a second person approve that first, which `/tokens rotate "
    "NAME` asks for."
)
STORE_IT = (
    "Store it under the secret name and at the level (environment, repository or organization) that the "
    "workflow reads, "
    "then re-run the failed job."
)
REVOKE_OLD = "After the first good publish, revoke the old token: `npm token revoke ID`."
MOVE_TO_OIDC = (
    "Or stop using a token: configure trusted publishing (OIDC) for the package; tokens that bypass 2FA are to lose "
    "direct publishing in January 2027."
)

REPLACE_TOKEN = (CREATE_ANOTHER, STORE_IT, REVOKE_OLD, MOVE_TO_OIDC)
SUPPLY_TOKEN = (
    "Check that the step has the token in its environment, e.g. `NODE_AUTH_TOKEN: ${{ secrets.NPM_TOKEN }}`, under the "
    "variable name that `.npmrc` reads.",
    (
        "Check that the secret exists where the job can see it: right name, right environment; runs from forks "
        "get no secrets."
    ),
    (
        "If the package is meant to use trusted publishing, give the job `id-token: write` and npm 11.5.1 or "
        "newer instead."
    ),
)
CHECK_ACCESS = (
    "Check when the secret was last written: a write token lives 7 days by default and 90 at most.",
    "Check that the token's owner may write to the package and that its package list names it (or the whole scope).",
    "With trusted publishing, check the publisher's owner, repository, workflow file name and environment; "
    "read the reason "
    "with `npm_config_loglevel: verbose` on the publish step.",
    "If the package is new, publish its first version with a token: trusted publishing cannot create a name.",
)
GRANT_ACCESS = (
    (
        "Ask an owner of the package for write access: `npm access grant read-write ORG:TEAM PACKAGE` or `npm "
        "owner add USER PACKAGE`."
    ),
    "Or replace the token by one whose package list includes the package with read and write permission.",
    STORE_IT,
)
BYPASS_TWO_FACTOR = (
    CREATE_ANOTHER,
    STORE_IT,
    MOVE_TO_OIDC,
)
ALLOW_ID_TOKEN = (
    (
        "Give the publishing job `permissions: { id-token: write, contents: read }`; a reusable workflow needs "
        "it in the calling job too."
    ),
    "Re-run the job.",
)
FIX_PUBLISHER = (
    "Open the package's settings on the registry and compare the trusted publisher with this run: owner, "
    "repository, file name "
    "of the calling workflow, environment; case matters.",
    "After a rename of the repository or workflow file, add the new publisher and remove the old one: "
    "`npm trust github PACKAGE --repo OWNER/REPO --file WORKFLOW.yml --allow-publish`.",
    "A package that does not exist yet needs its first version published with a token.",
)
READ_OIDC_REASON = (
    "Re-run the publish step with `npm_config_loglevel: verbose`: at the default level npm hides why OIDC failed.",
    "Check that the job runs on a hosted runner, has `id-token: write`, and uses npm 11.5.1 or newer.",
    "If the registry itself failed (5xx), re-run later.",
)
UPGRADE_NPM = (
    (
        "Use npm 11.5.1 or newer in the publish job (Node 22.14 or newer): `npm install -g npm@11` before "
        "publishing, or `node-version: 24`."
    ),
    "Re-run the job.",
)
HOSTED_RUNNER = (
    (
        "Publish from a GitHub-hosted runner (or GitLab.com / CircleCI cloud): self-hosted runners cannot attest "
        "provenance."
    ),
    "Or publish without provenance and with a token from this runner: `npm publish --provenance=false`.",
)
STAGE = (
    "Publish with `npm stage publish` and let a maintainer approve the version (`npm stage approve ID`, with 2FA).",
    "Or use trusted publishing that is allowed to publish directly.",
)
ALLOW_DIRECT = (
    "On the package's trusted publisher, allow direct publishing (publishers are not editable: delete it and "
    "add it again with `--allow-publish`), "
    "or publish with `npm stage publish` and approve it.",
    "Check that repository, workflow file and environment match this run exactly.",
)
USE_OIDC = (
    "The package's settings forbid tokens: a new token will not help. Publish with trusted publishing (OIDC).",
    "Or let a package owner change the setting to allow granular tokens that bypass 2FA.",
)
BY_A_PERSON = (
    (
        "Run this command as a person with 2FA: since 2026-07-31 a token that bypasses 2FA may not do it. The "
        "token still works for publishing."
    ),
    "Take the step out of the workflow.",
)
ONE_TIME_PASSWORD = (
    "A pipeline cannot type a one-time password. " + CREATE_ANOTHER,
    (
        "If the token has bypass 2FA already, the package may forbid tokens: look at its publishing access, and "
        "use trusted publishing."
    ),
    MOVE_TO_OIDC,
)
FIX_ADDRESS = (
    (
        "Add the runner's address to the token's CIDR list by creating a new token with `--cidr`, or leave the "
        "list out for hosted runners."
    ),
    "Or run the job on a runner with a fixed, allowed address.",
)
MAKE_PUBLIC = (
    'Publish a scoped package publicly: `npm publish --access public`, or `"publishConfig": {"access": "public"}`.',
    "If it is meant to be private, the scope needs a paid plan.",
)
BUMP = (
    (
        "The version is on the registry already: if a re-run after a partial success met it, nothing is to be "
        "done for this package."
    ),
    "Else raise the version and publish again; a published version can never be replaced.",
)
WAIT_STAGED = (
    "Look at the staged versions: `npm stage list PACKAGE`; approve or reject what waits (2FA).",
    "If two jobs published at once, keep one of them and re-run it.",
)
RENAME = ("Choose another name, or publish under your own scope.", "If the name is yours, write to npm support.")
FIX_PACKAGE = ("Mend what the message names in package.json or in the publish command, then re-run.",)
FIX_REPOSITORY = (
    (
        "Set `repository.url` in package.json to the repository that runs the workflow, e.g. "
        "`git+https://github.com/OWNER/REPO.git`."
    ),
    "Provenance needs a public repository; for a private one publish with `--provenance=false`.",
)
WAIT = ("Wait for the time the registry names (or some minutes), then re-run.", "Publish fewer packages at once.")
RETRY = ("Re-run the failed job.", "If it goes on, look at https://status.npmjs.org.")
CHECK_NETWORK = (
    "Re-run the failed job.",
    "If it fails again, check proxy, DNS and firewall of the runner, and the registry URL.",
)
