"""Logins to a cloud before an image or a package is pushed to its registry: AWS, Google Cloud, Azure. Pure data.

They count only in jobs that go on to push something; a site or a cluster that is deployed is no publish. Texts: the
actions aws-actions/configure-aws-credentials, google-github-actions/auth and azure/login, and their command lines.
"""

from __future__ import annotations

from bot.diagnosis.rule import Maybe, Rule, anywhere

_WHERE = anywhere("publish", "other")
_NEEDS = frozenset({"cloud-login", "pushing-job"})
_TRUST = (
    "Compare what the cloud trusts (role trust policy, workload identity provider, federated credential) with this "
    "run: repository, branch or tag, environment, audience.",
    "Re-run the job.",
)

CLOUD_RULES = (
    Rule(
        "cloud/id-token-permission",
        "oidc-permission-missing",
        "The workflow may not ask for an identity token to log in to the cloud: the job lacks `id-token: write`.",
        (
            r"Did you mean to set the `id-token` permission",
            r"did not inject \$?ACTIONS_ID_TOKEN_REQUEST_(?:TOKEN|URL)",
            r"Unable to get ACTIONS_ID_TOKEN_REQUEST_URL|(?i)make sure to give write permissions to id-token",
        ),
        ("Give the job `permissions: { id-token: write }`.", "Runs from forks may not ask for one.", "Re-run the job."),
        settings=_WHERE,
        requires=_NEEDS,
        confidence=0.85,
        docs="https://docs.github.com/en/actions/security-for-github-actions/security-hardening-your-deployments",
    ),
    Rule(
        "cloud/trust",
        "oidc-publisher-mismatch",
        "The cloud refused the workflow's identity: what it trusts does not match this run.",
        (
            r"No matching federated identity record found|AADSTS7002(?:1|13|138)\d*\b",
            r"rejected by the attribute condition|The audience in ID Token|\"invalid_target\"",
            r"Not authorized to perform:? sts:AssumeRoleWithWebIdentity",
            r"No OpenIDConnect provider found|Incorrect token audience",
        ),
        _TRUST,
        settings=_WHERE,
        requires=_NEEDS,
        confidence=0.75,
        maybe=(Maybe("oidc-failed", 0.4, "what the cloud trusts names this run in every field"),),
    ),
    Rule(
        "cloud/exchange",
        "oidc-failed",
        "The exchange of the workflow's identity for a cloud credential failed.",
        (
            r"Could not assume role with OIDC|failed to generate Google Cloud federated token",
            r"(?i)failed to generate (?:Google Cloud )?(?:access|identity) token|iam\.serviceAccounts\.getAccessToken",
            r"\bAADSTS\d+",
        ),
        _TRUST,
        settings=_WHERE,
        requires=_NEEDS,
        confidence=0.75,
        maybe=(Maybe("oidc-publisher-mismatch", 0.35, "what the cloud trusts differs from this run in some field"),),
    ),
    Rule(
        "cloud/dead-key",
        "token-rejected",
        "The cloud refused the stored key: it is expired, deleted or wrong, so nothing could log in to the registry.",
        (
            r"The security token included in the request is (?:invalid|expired)|\bInvalidClientTokenId\b",
            r"\bSignatureDoesNotMatch\b|\bUnrecognizedClientException\b|Invalid JWT Signature|account not found",
        ),
        ("Replace the stored key, or let the job log in by OIDC.", "Re-run the job."),
        settings=_WHERE,
        requires=_NEEDS,
        confidence=0.8,
    ),
    Rule(
        "cloud/no-credential",
        "token-missing",
        "No cloud credential reached the job, so it could not log in to the registry.",
        (
            r"Credentials could not be loaded|Could not load credentials from any providers",
            r"must specify exactly one of \"workload_identity_provider\" or \"credentials_json\"",
            (
                r"Input required and not supplied: (?:aws-region|creds)|Not all (?:values are present"
                r"|parameters are provided)"
            ),
        ),
        ("Check that the secret exists where the job can see it; runs from forks get no secrets.",),
        settings=_WHERE,
        requires=_NEEDS,
        confidence=0.8,
        maybe=(Maybe("oidc-permission-missing", 0.3, "the role is meant to be assumed by OIDC"),),
    ),
)
