"""The rules of the audit as data: code, how bad it is, what it is about, and what to do. Pure.

Codes are stable: people name them in CI. `bot.token_audit` and `bot.fleet.audit` say where each of them holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class AuditRule:
    """`title`: what is wrong, for lists; `advice`: what to do about it, one sentence in which `backticks` mark what to
    copy."""

    code: str
    level: Level
    title: str
    advice: str


RULES: dict[str, AuditRule] = {
    rule.code: rule
    for rule in (
        # A token by itself.
        AuditRule("classic", "error", "A classic token, which npm revoked", "Replace it, then remove the record."),
        AuditRule("ended", "error", "Past its end", "Replace it with `/tokens rotate`, or remove the record."),
        AuditRule("beyond-cap", "error", "A recorded end that the registry does not allow", "Record the real end."),
        AuditRule(
            "used-after-replacement", "error", "Used after it was replaced",
            "Find the place that still reads it with `/tokens map`, then revoke it.",
        ),
        AuditRule("ends-soon", "warning", "Ends within a week", "Start `/tokens rotate` now."),
        AuditRule("no-end", "warning", "No known end", "Record `expires_at` or `created_at`."),
        AuditRule("contradiction", "warning", "A record that contradicts itself", "Look it up and correct it."),
        AuditRule("no-owner", "warning", "Nobody owns it", "Name an owner with `/tokens edit`."),
        AuditRule("no-backup-owner", "note", "Nobody can replace its owner", "Name a backup owner."),
        AuditRule(
            "bypass-without-reason", "warning", "Bypasses 2FA without a reason",
            "Record why, or move to trusted publishing.",
        ),
        AuditRule(
            "all-packages", "warning", "May publish every package of its account",
            "Replace it with one that names its packages.",
        ),
        AuditRule("unused-60-days", "warning", "Not used for 60 days", "Revoke it if nothing needs it."),
        AuditRule(
            "endless-and-old", "warning", "No end at all, and older than a year",
            "Replace it, or publish without a token; choose an end for the new one where the registry lets you.",
        ),
        AuditRule(
            "stops-publishing", "warning", "Loses its right to publish by a dated rule",
            "Move to trusted publishing: `/tokens rotate` shows what has to change.",
        ),
        # A token and where it is stored.
        AuditRule(
            "secret-older-than-token", "error", "The secret was last written before the token was made",
            "Store the token in the secret that the workflow reads.",
        ),
        AuditRule(
            "read-token-may-write", "warning", "Only read with, and it may write",
            "Replace it with a read-only token.",
        ),
        AuditRule("too-many-hands", "warning", "Read in many repositories", "Split it, or use trusted publishing."),
        AuditRule("too-many-copies", "note", "Stored in many secrets", "Keep it once, at organisation level."),
        AuditRule("token-nobody-uses", "note", "Nothing is known to use it", "Record its uses, or revoke it."),
        # Secrets and workflow files.
        AuditRule(
            "hard-coded", "error", "A credential written into a file",
            "Revoke it now: whoever can read the file has it. Then take it out of the file.",
        ),
        AuditRule(
            "variable-instead-of-secret", "error", "A token in a repository variable",
            "Variables are shown in clear: store it as a secret, revoke the old one.",
        ),
        AuditRule(
            "secret-missing", "error", "A workflow reads a secret that is not there",
            "Store it, or correct the name in the workflow file.",
        ),
        AuditRule(
            "publisher-mismatch", "error", "A trusted publisher that no job matches",
            "Correct file name, environment or `id-token: write`, or the trusted publisher on npm.",
        ),
        AuditRule(
            "oidc-self-hosted", "error", "Trusted publishing from a self-hosted runner",
            "npm takes no identity from self-hosted runners: publish from a runner of GitHub.",
        ),
        AuditRule(
            "oidc-old-npm", "error", "Trusted publishing with an npm that is too old",
            "Use Node 24, or install npm 11.5.1 or newer first.",
        ),
        AuditRule(
            "secret-past-cap", "warning", "A secret older than any npm token that may write",
            "Whatever it holds has ended: replace it before the next release.",
        ),
        AuditRule(
            "shadowed-secret", "warning", "A secret hidden by one of the same name",
            "Delete the one that is not meant: rotating the hidden one changes nothing.",
        ),
        AuditRule(
            "token-beside-oidc", "note", "A token beside a trusted publisher",
            "Take the token out once a release went well without it.",
        ),
        AuditRule("no-record", "note", "A secret without a recorded token", "Add the token with `/tokens add`."),
        AuditRule("secret-nobody-reads", "note", "A secret that no workflow reads", "Delete it."),
    )
}  # fmt: skip
