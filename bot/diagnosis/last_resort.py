"""What a refusal says whoever words it: for publishes whose client gave a reason that no registry's rule knows. Pure.

These rules count only in a publish step in which a registry's client has spoken and published nothing, and only when no
other rule found a reason. Their confidence says so.
"""

from __future__ import annotations

from bot.diagnosis.rule import Maybe, Rule, anywhere

_SAYS = (
    r"(?i:status(?: code)?|HTTP(?:/\d(?:\.\d)?)?|error(?: code)?|code|returned|response|answered|said|got|received"
    r"|failed)[ :=('\"]+"
)
_OF_LOGIN = (
    r"(?i:(?:access |auth(?:entication|orization)? |api )?(?:token|credentials?|api[ \-_]?key|password|user ?name))"
)
_NEW = (
    "Make a new token at the registry and store it in the secret that the publish step reads.",
    "Re-run the job.",
)


def _words(
    name: str, cause: str, sentence: str, *patterns: str, fix: tuple[str, ...], maybe: tuple[Maybe, ...] = ()
) -> Rule:
    return Rule(
        f"any/{name}",
        cause,
        sentence,
        patterns,
        fix,
        confidence=0.55,
        settings=anywhere("publish"),
        excludes=frozenset({"step-published"}),
        maybe=maybe,
        last_resort=True,
    )


LAST_RESORT_RULES = (
    _words(
        "rate-limited",
        "rate-limited",
        "The registry is limiting the rate of requests; the credential is not at fault.",
        _SAYS + r"429\b|\b429 Too Many|(?i)\btoo many requests\b",
        fix=("Wait, then re-run.",),
    ),
    _words(
        "outage",
        "registry-outage",
        "The registry itself failed (5xx); the credential is not at fault.",
        _SAYS + r"5\d\d\b|\b5\d\d (?:Internal|Bad Gateway|Service|Gateway)",
        fix=("Re-run later.",),
    ),
    _words(
        "exists",
        "version-exists",
        "This version is already on the registry.",
        r"(?i)\balready (?:been )?(?:exists?|published|uploaded|released)\b|\b409 Conflict|" + _SAYS + r"409\b",
        fix=("If a re-run met it, nothing is to be done.", "Else raise the version."),
    ),
    _words(
        "no-credential",
        "token-missing",
        "No credential reached the registry: the secret is empty, missing or not passed to the step.",
        _OF_LOGIN + r"(?i:[^.\n]{0,30} (?:required|missing|empty|not (?:set|found|provided|configured|specified))\b)",
        r"(?i:\b(?:no|missing|requires?|provide|supply|specify) (?:an? |the |valid |your )*)" + _OF_LOGIN,
        r"(?i)\bnot (?:authenticated|logged in)\b|\bmust (?:be logged|log|sign) in\b|\blogin required\b",
        fix=("Check that the secret exists where the job can see it and is passed to the publish step.",),
        maybe=(Maybe("token-rejected", 0.3, "the secret is set at the level the workflow reads"),),
    ),
    _words(
        "dead-credential",
        "token-rejected",
        "The registry refused the credential: it is expired, revoked or wrong.",
        _SAYS + r"401\b|(?i)\b401[ :,(]+unauthori[sz]ed|\bunauthori[sz]ed\b|\bauthentication failed\b",
        r"(?i:\b(?:invalid|expired|revoked|bad|incorrect|wrong) )" + _OF_LOGIN,
        _OF_LOGIN
        + r"(?i:[^.\n]{0,20} (?:has |is |was )?(?:expired|revoked|invalid|incorrect|rejected|wrong|not valid)\b)",
        fix=_NEW,
        maybe=(
            Maybe("token-missing", 0.3, "the secret is empty or not passed to the step"),
            Maybe("insufficient-scope", 0.25, "the token still works for reading"),
        ),
    ),
    _words(
        "no-right",
        "insufficient-scope",
        "The registry forbids the action with this credential.",
        _SAYS + r"403\b|(?i)\b403[ :,(]+forbidden|\bforbidden\b|\b(?:permission|access) denied\b",
        r"(?i)\bnot (?:authori[sz]ed|allowed|permitted) (?:to|for)\b",
        r"(?i)\binsufficient (?:permission|privilege|right|scope)s?\b",
        r"(?i)\b(?:do|does) not have (?:the )?(?:required )?(?:permission|access|rights?)\b",
        fix=("Let an owner of the package add the account, or use a token that may write to it.", "Re-run the job."),
        maybe=(Maybe("token-rejected", 0.35, "the token no longer works at all"),),
    ),
    _words(
        "invalid",
        "bad-package",
        "The registry or its client found the package wrong: manifest, files or metadata.",
        _SAYS + r"(?:400|413|422)\b|\b(?:400 Bad Request|413 [A-Z]|422 Unprocessable)",
        r"(?i)\bvalidation (?:failed|errors?)\b|\binvalid (?:package|manifest|metadata|version|archive)\b",
        fix=("Mend what the message names, then re-run.",),
    ),
    _words(
        "network",
        "network-error",
        "The runner could not reach the registry; the credential is not at fault.",
        r"(?i)\bconnection (?:refused|reset|timed out|closed)\b|\bcould(?: not|n't) (?:resolve host|connect)\b",
        r"(?i)\b(?:name resolution|network is unreachable|handshake (?:failed|timeout)|request timed out)\b",
        fix=("Re-run the failed job; if it fails again, check the runner's network.",),
    ),
)
