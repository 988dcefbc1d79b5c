"""How `gem push` and `rake release` fail. Texts: RubyGems client and rubygems.org sources."""

from __future__ import annotations

from bot.diagnosis.rule import Clue, Maybe, Rule
from bot.registries.repository_managers import EXISTS

NAME = "rubygems"
HOSTS = r"(?:^|\.)rubygems\.org$"
COMMANDS = r"\bgem +(?:push|yank|owner|signin)\b|\brake\b[^\n]*\brelease\b|release-gem|configure-rubygems-credentials"
OUTPUT = (
    r"Pushing gem to |Pushing \S+\.gem to |Successfully registered gem|(?:rubygems|RubyGems)\.org credentials"
    r"|in [`']rubygem_push'"
)
ANCHORS = (
    r"registered gem",
    r"already been yanked|need to be committed first|gem name on the command line|write_package",
    r"[45][0-9][0-9] (?:Int|Bad G|Serv|Gat|Unauth|Too)",
    r"[Gg]em\b|RubyGems|account yet|rubygems\.org|[Gg]emspec",
    r"metadata is invalid|Retry later|Net::|TCP connection|built to pkg",
    r"Repushing|Access [Dd]enied|multi-?factor|OTP code|MFA|API key|  Name: |  Version: |  File: ",
    r"Gem::|Errno::|bad response|sign in with",
)

_NEW_KEY = (
    "Create an API key on rubygems.org with the scope to push gems, and store it as GEM_HOST_API_KEY.",
    "Re-run the failed job, then delete the old key.",
    "Or use trusted publishing with `rubygems/release-gem`.",
)

CLUES = (Clue("publish-succeeded", (r"Successfully registered gem",)),)
RULES = (
    Rule(
        "rubygems/otp",
        "otp-required",
        "RubyGems asks for a one-time password, which a pipeline cannot type.",
        (
            r"You have enabled multi-?factor authentication|no OTP code provided",
            r"OTP code is (?:incorrect|invalid)|authenticate via security device",
            r"Security device verification failed|Please enter OTP code|(?i)enter your OTP",
        ),
        (
            (
                "Set the account's MFA level so that API keys may push, or use trusted publishing with "
                "`rubygems/release-gem`."
            ),
        ),
        docs="https://guides.rubygems.org/trusted-publishing/",
    ),
    Rule(
        "rubygems/mfa",
        "two-factor-required",
        "The gem requires multi-factor authentication of its owners.",
        (
            r"(?i)(?:rubygem|gem) requires (?:owners to enable )?MFA|MFA required",
            r"(?i)(?:must|need to|required to) (?:set up|enable) (?:MFA|multi-?factor)|change your MFA level",
        ),
        ("Enable MFA for the account, and use trusted publishing or an MFA-enabled API key.",),
    ),
    Rule(
        "rubygems/no-publisher",
        "oidc-publisher-mismatch",
        "RubyGems knows no trusted publisher for this run.",
        (
            r"(?i)(?:no|not) (?:matching )?trusted publisher|exchange_token[^\n]{0,60}404",
            r"(?i)TrustedPublisher[^\n]{0,40}not found",
        ),
        (
            (
                "On rubygems.org, compare the gem's trusted publisher with this run: repository, workflow file, "
                "environment."
            ),
        ),
        docs="https://guides.rubygems.org/trusted-publishing/",
    ),
    Rule(
        "rubygems/id-token-permission",
        "oidc-permission-missing",
        "The workflow may not ask for an identity token: the job lacks `id-token: write`.",
        (
            r"(?i)id-token[^\n]{0,30}write|Unable to get ACTIONS_ID_TOKEN_REQUEST",
            r"(?i)ACTIONS_ID_TOKEN_REQUEST_(?:URL|TOKEN)[^\n]{0,40}(?:not set|unset|missing)",
        ),
        ("Give the job `permissions: { id-token: write }`.",),
    ),
    Rule(
        "rubygems/version-exists",
        "version-exists",
        "This version of the gem is already published.",
        (
            r"Repushing of gem versions is not allowed|(?i)has already been (?:pushed|taken|yanked)",
            r"already been pushed to rubygems|tag v?\S+ has already been created",
            *EXISTS,
        ),
        ("If a re-run met it, nothing is to be done.", "Else raise the version."),
    ),
    Rule(
        "rubygems/not-owner",
        "insufficient-scope",
        "The credential is alive but may not push this gem.",
        (
            r"You do not have permission to push to this gem|(?i)(?:API|existing) key (?:doesn't|does not) have access",
            r"token provided does not match expected scopes?",
            r"not (?:have|allowed)[^\n]{0,30}scope|write_package|(?i)API key cannot perform the specified action",
        ),
        (
            "Let an owner add the account: `gem owner GEM --add EMAIL`.",
            "Or use an API key with the push scope for this gem.",
        ),
        maybe=(Maybe("name-rejected", 0.1, "the gem belongs to somebody else"),),
    ),
    Rule(
        "rubygems/dead-key",
        "token-rejected",
        "RubyGems refused the API key: it is expired, deleted or malformed.",
        (
            r"Access Denied\. Please sign up for an account|(?i)API key (?:is )?(?:invalid|expired)",
            r"HTTP Basic: Access denied|\b401 Unauthorized|Unauthorized\. ?\(?401|The API key doesn't exist",
        ),
        _NEW_KEY,
        maybe=(Maybe("token-missing", 0.2, "the secret is empty"),),
    ),
    Rule(
        "rubygems/no-key",
        "token-missing",
        "No credential reached RubyGems.",
        (
            r"(?i)Please sign in with `?gem signin|Enter your RubyGems\.org credentials",
            r"(?i)Don't have an account yet|Your rubygems\.org credentials aren't set|No such API key",
        ),
        ("Pass the secret as GEM_HOST_API_KEY, or write it to ~/.gem/credentials before pushing.",),
    ),
    Rule(
        "rubygems/name",
        "name-rejected",
        "RubyGems does not accept this gem name.",
        (
            r"(?i)(?:gem name|name '[^']+')[^\n]{0,60}(?:reserved|not allowed|too close|too similar|is blacklisted)",
            r"(?i)too (?:close|similar) to (?:an existing gem|typo)",
        ),
        ("Choose another name.",),
    ),
    Rule(
        "rubygems/rate-limited",
        "rate-limited",
        "RubyGems is limiting the rate of requests.",
        (r"(?i)\b429\b[^\n]{0,20}too many|^too many requests\b|rate limit|Retry later",),
        ("Wait, then re-run.",),
    ),
    Rule(
        "rubygems/server-error",
        "registry-outage",
        "RubyGems itself failed (5xx); the credential is not at fault.",
        (r"\b5\d\d (?:Internal|Bad Gateway|Service|Gateway|Server)|bad response \w[\w ]* 5\d\d",),
        ("Re-run later; look at https://status.rubygems.org.",),
    ),
    Rule(
        "rubygems/bad-gem",
        "bad-package",
        "The gem cannot be pushed as it is.",
        (
            r"(?i)there was a problem saving your gem|cannot process this gem",
            r"(?i)cannot open gem|is not a valid gem|invalid gemspec",
            r"There are files that need to be committed first|Please specify a gem name on the command line",
            r"(?i)Your Gem version is invalid|allowed_push_host|\"\S+\" is not allowed by the gemspec",
        ),
        ("Mend what the message names in the gemspec, then re-run.",),
        confidence=0.85,
    ),
    Rule(
        "rubygems/network",
        "network-error",
        "The runner could not reach RubyGems; the credential is not at fault.",
        (
            r"Gem::RemoteFetcher::FetchError|Failed to open TCP connection",
            r"SocketError|getaddrinfo|Net::(?:Open|Read)Timeout",
            r"Errno::E(?:CONN\w+|TIMEDOUT|HOSTUNREACH)|SSL_connect|(?i)timed out \(",
        ),
        ("Re-run the failed job.",),
        confidence=0.85,
    ),
)
