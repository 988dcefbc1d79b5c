"""npm failures that no credential is to blame for: versions, names, manifests, provenance."""

from __future__ import annotations

from bot.diagnosis.rule import Maybe, Rule
from bot.registries.npm import fixes
from bot.registries.npm.texts import P, code, status
from bot.registries.repository_managers import EXISTS

PACKAGE_RULES = (
    Rule(
        "npm/provenance",
        "provenance-rejected",
        "The registry rejected the provenance: the package does not match the repository that ran the workflow.",
        (
            r"Error verifying sigstore provenance bundle",
            r"Failed to validate repository information",
            (
                r"(?i)provenance (?:bundle|statement|attestation)[^.]{0,40}(?:invalid|refused|rejected"
                r"|could not be verified)"
            ),
            r"Unsupported GitHub Actions source repository visibility",
        ),
        fixes.FIX_REPOSITORY,
        docs=fixes.PROVENANCE_DOCS,
    ),
    Rule(
        "npm/sigstore",
        "registry-outage",
        "Signing the provenance failed: Sigstore, which keeps the signatures, did not answer as it should.",
        (
            rf"{P} code (?:TLOG|TSA|TUF|CA)_[A-Z_]+_ERROR\b",
            rf"{P} error (?:creating|fetching) (?:tlog entry|signing cert)",
        ),
        (
            "Re-run the failed job; https://status.sigstore.dev tells whether Sigstore is up.",
            "If it must be now, publish once with `--provenance=false`.",
        ),
        confidence=0.8,
        maybe=(
            Maybe("oidc-failed", 0.2, "the certificate was refused with 4xx: the identity token is at fault"),
            Maybe("network-error", 0.15, "the runner cannot reach sigstore.dev"),
        ),
    ),
    Rule(
        "npm/lower-version",
        "bad-package",
        "The version needs an explicit dist-tag: it is a prerelease or lower than what is published as latest.",
        (
            r"Cannot implicitly apply the \"latest\" tag because previously published version",
            r"You must specify a (?:dist-)?tag using --tag",
            r"(?i)must (?:specify|provide) a (?:dist-)?tag (?:when|for) (?:publishing )?(?:a )?pre-?release",
        ),
        ("Publish with an explicit tag, e.g. `npm publish --tag next`.",),
    ),
    Rule(
        "npm/tag-exists",
        "bad-package",
        "The release's git tag is already there, so the release tool stopped before it published.",
        (
            r"\bfatal: tag '[^']+' already exists|\berror: tag '[^']+' already exists",
            (
                r"^ ! \[rejected\] +v?\d\S* -> \S+ \(already exists\)"
                r"|rejected because the tag already exists in the remote"
            ),
        ),
        (
            "If the tag belongs to an earlier try that published nothing, delete it (`git push --delete origin TAG`).",
            "If that version is on the registry, raise the version.",
        ),
        confidence=0.8,
        maybe=(Maybe("version-exists", 0.3, "the version is on the registry"),),
    ),
    Rule(
        "npm/version-exists",
        "version-exists",
        "This version is already on the registry and cannot be published again.",
        (
            r"(?i)cannot publish over (?:the )?(?:previously published|existing)",
            r"\bEPUBLISHCONFLICT\b",
            r"(?i)this (?:package|version)[^.]{0,60}already (?:been published|exists)",
            r"(?i)version [\"'`]?v?\d[^ ]* already (?:exists|published)",
            r"already present in (?:the )?registry",
            *EXISTS,
        ),
        fixes.BUMP,
    ),
    Rule(
        "npm/restaged",
        "already-staged",
        "This version is already staged or being processed by the registry.",
        (
            r"Cannot publish over previously staged version",
            r"Cannot stage previously (?:published|staged) version",
            r"(?i)version[^.]{0,40}(?:is )?already (?:been )?staged",
            r"Failed to save packument",
            r"\?write=true\b",
            *status(409, "Conflict"),
            code("409"),
        ),
        fixes.WAIT_STAGED,
        confidence=0.85,
        maybe=(
            Maybe("version-exists", 0.2, "the version is on the registry"),
            Maybe("registry-outage", 0.15, "a later run succeeds"),
        ),
        docs=fixes.STAGE_DOCS,
    ),
    Rule(
        "npm/name",
        "name-rejected",
        "The registry does not accept this package name.",
        (
            r"(?i)package name too similar to existing package",
            r"(?i)package name triggered spam detection",
            r"(?i)\bname (?:can only|can no longer|cannot|must not|may not) (?:contain|start|be longer)",
            r"(?i)\binvalid (?:package )?name\b",
            r"(?i)(?:package|name)[^.]{0,40}(?:is|has been) (?:reserved|blocked|blacklisted|a core module name)",
            r"(?i)not a valid package name|name of a core module",
            r"(?i)this package name is not available|name has been (?:security )?(?:held|blocked)",
        ),
        fixes.RENAME,
    ),
    Rule(
        "npm/private",
        "bad-package",
        "The package is marked private, so the client refuses to publish it.",
        (
            r"\bEPRIVATE\b|This package has been marked as private",
            r"[Pp]ackage marked as private, not publishing",
            r"attempted to publish a private package",
            r"Private workspaces cannot be published",
            r"Remove the 'private' field",
        ),
        ('Remove `"private": true` from package.json, or leave the package out of the publish command.',),
    ),
    Rule(
        "npm/manifest",
        "bad-package",
        "The package or the publish command is wrong: manifest, file, tag or option.",
        (
            (
                rf"{P} code (?:EJSONPARSE|EBADPLATFORM|EUSAGE|ENOTSUP|EBADENGINE|EINVALIDTAGNAME"
                rf"|EINVALIDPACKAGENAME|EINVALIDTYPE|ENOLOCAL|EPUBLISHCONFIG)\b"
            ),
            rf"{P} (?:enoent Could not read package\.json|code ENOENT)",
            r"Failed to parse JSON data|package\.json must be actual JSON",
            *status(413, "(?:Payload|Request Entity|Content) Too Large"),
            r"(?i)request entity too large|413 Payload Too",
            code("413"),
            r"(?i)invalid (?:semver )?version: |Invalid version: \"|package\.json: [^:]{0,40}(?:missing|invalid)",
            r"Can't generate provenance for new or private package",
            r"provenance and provenanceFile cannot be used together|--provenance and --provenance-file",
            r"do not have the \"nx-release-publish\" target specified",
            r"(?i)tag name must not be a valid SemVer range",
            (
                r"ERR_PNPM_(?:GIT_UNCLEAN|GIT_UNKNOWN_BRANCH|GIT_NOT_LATEST|GIT_NOT_CORRECT_BRANCH"
                r"|PACKAGE_VERSION_NOT_FOUND|PACKAGE_NAME_NOT_FOUND|NO_PKG_MANIFEST"
                r"|CANNOT_RESOLVE_WORKSPACE_PROTOCOL)"
            ),
            r"(?i)missing required (?:field|option)s?\b.{0,40}\b(?:name|version|package\.json)",
            *status(400, "Bad Request"),
            code("400"),
            r"ENOPKG|EINVALIDPKG|ENOWORKSPACES|No workspaces found",
            r"A package\.json file .* is missing|No package\.json (?:was )?found",
            r"Missing `?\"?name|error: missing .?(?:name|version).? (?:string )?in",
            r"EUNCOMMIT|EUNCLEAN|Working tree has uncommitted changes|Unclean working tree|Working dir must be clean",
        ),
        fixes.FIX_PACKAGE,
        confidence=0.85,
        maybe=(Maybe("build-failed", 0.1, "a script of the package wrote the message"),),
    ),
)
