"""How pushes of images fail: Docker Hub, ghcr.io and other OCI registries."""

from __future__ import annotations

from bot.diagnosis.rule import Clue, Maybe, Rule, anywhere

NAME = "docker"
HOSTS = r"(?:^|\.)(?:docker\.(?:io|com)|ghcr\.io|gcr\.io|quay\.io)$|\.dkr\.ecr\.|\.azurecr\.io$"
COMMANDS = (
    r"\bdocker +(?:image +)?(?:push|login)\b|\bbuildx\b[^\n]*--push|build-push-action|docker/bake-action|login-action"
    r"|\bko +(?:build|publish|apply|resolve)\b|\bkaniko/executor\b|\bnerdctl +push"
    r"|\bimagetools +create\b|\bdocker +manifest +push"
    r"|\bjib:?(?:build)?\b"
    r"|amazon-ecr-login|\becr +get-login-password"
    r"|\b(?:podman|buildah|crane|skopeo|helm|oras) +(?:push|copy|login|registry login)"
)
OUTPUT = (
    r"The push refers to repository|pushing layers|failed to push [^\s/:]+[/:]|\bdigest: sha256:[0-9a-f]+ size:"
    r"|checking push permission|failed to push to destination|failed to perform \"Push\" on"
    r"|/blobs/uploads/|jib-maven-plugin|^• pushed +image=|error publishing ko://"
)
ANCHORS = (
    r"Containerizing application|failed to perform ",
    r"denied: |access denied|The push refers|pushing (?:layers|manifest)|failed to push|failed to solve",
    r"digest: sha256|toomanyrequests|unauthorized: |oauth token",
    r"Username and password required|interactive login|incorrect username|basic auth|dial tcp|TLS handshake",
    r"i/o timeout|HTTP status|reference format|not exist locally|--username|/v2/|name unknown|tag is needed",
    r"tag (?:invalid|does not exist)|resource is denied|invalid username/password|UNAUTHORIZED|DENIED",
    r"HTTP [45][0-9][0-9] response|broken pipe|connection lost|ecr:|needs an argument",
    r"Unauthenticated request|Pushed[: ]|pushed +image=|unknown: |ExpiredToken|security token|locate credentials|jib-",
)
CLUES = (
    Clue(
        "publish-succeeded",
        (
            r"\bdigest: sha256:[0-9a-f]+ size:|pushing manifest for .* done|^• pushed +image=",
            r"^(?:INFO\[\d+\] )?Pushed:? \S+[:@]\S+",
        ),
    ),
)

_LOG_IN = (
    (
        "Check the log-in step: user name, and a token that is alive and may write (`docker/login-action` with "
        "the right secret)."
    ),
    "For ghcr.io give the job `packages: write`, and give the repository access to the package.",
)

RULES = (
    Rule(
        "docker/immutable",
        "version-exists",
        "The tag exists and may not be overwritten.",
        (r"(?i)tag[^\n]{0,200}(?:already exists|is immutable|cannot be overwritten)|ImageTagAlreadyExists",),
        ("Push under a new tag.",),
    ),
    Rule(
        "docker/write-package",
        "insufficient-scope",
        "The credential is alive but may not write this image.",
        (
            r"denied: (?:permission_denied|installation not allowed to)|write_package",
            r"(?i)insufficient[_ ]scope|scopes? do(?:es)? not (?:match|include)",
            r"(?i)token provided does not match expected scope",
            r"unauthorized to access repository: [^\n]*action: push",  # Harbor
            r"requested access to the resource is denied|push access denied",
            r"denied: (?:Permission|User)[^\n]{0,120}(?:denied|cannot|does not have)|not authorized to perform: ecr:",
        ),
        _LOG_IN,
        confidence=0.8,
        maybe=(
            Maybe("token-missing", 0.3, "the job has no log-in step, or its secret is empty"),
            Maybe("token-rejected", 0.2, "the token no longer works for a pull"),
        ),
    ),
    Rule(
        "docker/anonymous",
        "token-missing",
        "The push went out without a credential: nothing had logged in to this registry.",
        (
            r"no basic auth credentials|\bUnauthenticated requests? do(?:es)? not have permission",
            r"(?:unauthorized|UNAUTHORIZED): authentication required",
        ),
        _LOG_IN,
        confidence=0.7,
        maybe=(Maybe("token-rejected", 0.4, "the log-in step ran, and its token has expired since"),),
    ),
    Rule(
        "docker/dead-token",
        "token-rejected",
        "The registry refused the log-in: user name or token is wrong, expired or revoked.",
        (
            (
                r"unauthorized: (?:incorrect username or password"
                r"|invalid|personal access token|bad credentials|your account must log in"
                r"|authorization failed|unauthenticated)"
            ),
            r"Get \"?https?://[^ ]+/v2/\"?: (?:denied|unauthorized)",  # the log-in itself
            r"(?i)incorrect username or password|401 Unauthorized|unauthorized: ",
            r"(?i)denied: (?:your authorization token has expired|invalid token|bad credentials)",
            r"(?i)failed to (?:authorize|fetch oauth token)[^\n]{0,200}401|invalid username/password",
            r"ExpiredToken|security token included in the request is (?:expired|invalid)|Wrong username was used",
            r"unknown: (?:Unauthorized|Authentication is required)",
        ),
        _LOG_IN,
        confidence=0.85,
        maybe=(Maybe("token-missing", 0.3, "the job has no log-in step, or its secret is empty"),),
    ),
    Rule(
        "docker/no-token",
        "token-missing",
        "No credential reached the registry.",
        (
            r"Username and password required|(?i)must provide --username",
            r"Cannot perform an interactive login from a non TTY|Must provide (?:a )?(?:username|password)",
            r"^(?:[Ee]rror: )?(?:[Uu]sername and )?[Pp]assword (?:is )?(?:empty|required)|Unable to locate credentials",
            r"flag needs an argument: '[pu]'|flag needs an argument: --(?:password|username)",
        ),
        _LOG_IN,
    ),
    Rule(
        "docker/denied",
        "insufficient-scope",
        "The registry denied the push.",
        (
            r"\b(?:denied|DENIED): |\bunknown: Forbidden\b",
            r"(?:unexpected status[^\n]{0,60}|failed with status: )403|403 Forbidden",
        ),
        _LOG_IN,
        confidence=0.65,
        maybe=(
            Maybe("token-rejected", 0.3, "the token no longer works for a pull"),
            Maybe("token-missing", 0.2, "the job has no log-in step"),
        ),
    ),
    Rule(
        "docker/pull-limited",
        "rate-limited",
        "The registry limits how many images may be fetched without a log-in; nothing was pushed.",
        (
            r"pull rate limit",
            r"(?:load metadata for|resolve source metadata|failed to copy: httpReadSeeker)[^\n]*\b429 Too Many",
        ),
        ("Log in to the registry before the build, or fetch base images through a mirror.", "Re-run the failed job."),
        settings=anywhere("publish", "other", "install", "build"),
        reads=True,
    ),
    Rule(
        "docker/rate-limited",
        "rate-limited",
        "The registry is limiting the rate of requests.",
        (r"toomanyrequests|\b429 Too Many Requests",),
        ("Wait, then re-run.",),
        settings=anywhere("publish", "other", "install", "build"),
    ),
    Rule(
        "docker/bad-image",
        "bad-package",
        "The image cannot be pushed under this name.",
        (
            r"invalid reference format|An image does not exist locally with the tag|invalid tag|name unknown",
            r"must be lowercase|manifest invalid|tag is needed when pushing|^tag does not exist: ",
        ),
        ("Mend the image name or tag, then re-run.",),
        confidence=0.85,
    ),
    Rule(
        "docker/server-error",
        "registry-outage",
        "The registry itself failed (5xx); the credential is not at fault.",
        (
            r"(?:received )?unexpected (?:HTTP )?status[^\n]{0,300}\b5\d\d (?:Int|Bad|Serv|Gat)|HTTP 5\d\d response",
            r"unexpected HTTP status: 5\d\d",
            r"\b5\d\d (?:Internal|Bad Gateway|Service|Gateway)",
        ),
        ("Re-run later.",),
    ),
    Rule(
        "docker/network",
        "network-error",
        "The runner could not reach the registry; the credential is not at fault.",
        (
            r"dial tcp[^\n]{0,80}|no such host|i/o timeout|TLS handshake timeout|connection reset by peer",
            r"net/http: request canceled|write: broken pipe|client connection lost",
            r"server misbehaving|context deadline exceeded|unexpected EOF|failed to do request",
        ),
        ("Re-run the failed job.",),
        confidence=0.85,
    ),
)
