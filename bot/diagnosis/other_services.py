"""Which commands and actions are about something else than a package's registry, whatever their words: pure.

Deploys, infrastructure, log-ins to machines, messages, reports, scanners, brokers, databases, caches. Many of them
"publish", "push" or "release" something, and are refused for reasons of their own: what they print about credentials
is never a registry's answer. Another program is a word here.
"""

from __future__ import annotations

import functools

import re2

# What may stand before a program: variables, and tools that fetch and run it.
_BEFORE = (
    r"^(?:(?:if|then|else|do|!|\\{) +)?(?:[A-Za-z_]\w*=\S* +)*"
    r"(?:(?:sudo|exec|time|command|nohup|npx|bunx|pnpx|uvx|pipx +run|timeout +\S+|npm +exec|bun +x"
    r"|(?:pnpm|yarn|yarn +run|npm +run) +(?:exec|dlx)|pnpm|yarn|bun"
    r"|bundle +exec|poetry +run|uv +run|pdm +run|hatch +run|python3? +-m|php|ruby)(?: +-{1,2}[\w=@/.\-]+)* +)*"
    r"(?:[./\w\-]*/)?(?:@[\w.\-]+/)?"
)
_DEPLOYS = (
    r"firebase(?:-tools)?|wrangler|vercel|now|netlify(?:-cli)?|ntl|heroku|databricks|skaffold|flyctl|fly|railway|surge|gh-pages|ghp-import"
    r"|eas(?:-cli)?|expo(?:-cli)?|appcenter|code-?push|fastlane|shorebird|doctl|linode-cli|ibmcloud|scw|cf|dokku|kamal"
    r"|cap|swa|func|supabase|convex|sst|partykit|deployctl|clasp|eb|copilot|amplify|chalice|zappa|sam|cdk|aws-cdk"
    r"|cdktf|serverless|sls|gsutil|bq|eksctl|s3cmd|s5cmd|rclone|azcopy|azd|mike|hugo|octo|contentful|sanity|shopify|butler"
    r"|steamcmd|web-ext|chrome-webstore-upload(?:-cli)?"
    r"|gradlew? [^\n]*\bpublish\w*(?:Bundle|Apk|Listing|Apps?|Products)|altool"
    r"|xcrun|gradle-play|static-web-apps-cli|render|northflank"
    r"|okteto|porter|upsun|platform|acli|pantheon|terminus|wp|zeabur|koyeb|deploy-cli|nuxthub|stormkit|layer0|edgio"
)
_INFRASTRUCTURE = (
    r"terraform|tofu|terragrunt|tfc|packer|pulumi|ansible(?:-(?:playbook|pull|vault|lint))?|knife|chef|puppet|salt"
    r"|vagrant|kubectl|oc|helmfile|kustomize|argocd|argo|istioctl|nomad|consul|vault|kops|rancher|bosh"
)
_MACHINES = r"ssh|scp|sftp|rsync|ftp|lftp|ncftpput|sshpass|mosh|tailscale|cloudflared"
_REPORTS = (
    r"codecov(?:-cli)?|codecovcli|coveralls|codacy\S*|cc-test-reporter|qlty|sonar(?:-scanner|qube)?\S*|datadog-ci"
    r"|sentry-cli|sentry|bugsnag\S*|rollbar\S*|honeybadger|newrelic|percy|applitools|argos|buildkite-agent|bundlewatch"
    r"|trivy|grype|snyk|semgrep|gitleaks|trufflehog|checkov|tfsec|kics|dependency-check\S*|fossa|osv-scanner|zap\S*"
    r"|crowdin|lokalise2?|phrase|tx|launchable|allure\S*|reportportal|testrail\S*|trcli|xray|zephyr|currents|newrelic|launchdarkly|ldcli"
)
_BROKERS = (
    r"pact(?:-broker|-cli|flow|_broker\S*)?|rover|hive|apollo|optic|spectral|redocly|rdme|readme|postman|newman|swaggerhub(?:-cli)?"
    r"|stoplight|mosquitto_pub|nats|rabbitmqadmin|kafka-\S+|kcat|redis-cli|ntfy|apprise|slack\S*|confluence\S*"
)
_DATABASES = (
    r"psql|pg_dump|pg_restore|mysql|mysqldump|mongosh?|mongodump|sqlcmd|sqlplus|liquibase|flyway|alembic|prisma|knex"
    r"|typeorm|sequelize(?:-cli)?|drizzle-kit|atlas|dbmate|goose|sqitch|dbt|hasura|migrate|snowsql|clickhouse\S*"
)
_SERVICE = re2.compile(
    _BEFORE
    + rf"(?:{_DEPLOYS}|{_INFRASTRUCTURE}|{_MACHINES}|{_REPORTS}|{_BROKERS}|{_DATABASES})(?:@[\w.^~\-]+)?(?:\s|$)"
)
# Programs that also serve a registry: the word after them tells.
_CLOUD = re2.compile(
    _BEFORE + r"(aws|gcloud|az)((?: +(?:-{1,2}[\w\-]+(?:=\S+| +[^\s\-]\S*)?|alpha|beta))*) +([a-z][\w\-]*)"
)
_OF_REGISTRY = {
    "aws": frozenset({"ecr", "ecr-public", "codeartifact", "sts", "configure", "sso"}),
    "gcloud": frozenset({"artifacts", "auth", "builds", "config", "container"}),
    "az": frozenset({"acr", "artifacts", "login", "account", "devops"}),
}
_BY_SUBCOMMAND = re2.compile(
    _BEFORE
    + r"(?:helm +(?:upgrade|install|uninstall|rollback|lint|template|unittest|test|diff|get|status|list|history)\b"
    r"|docker +(?:stack|service|swarm|scout|context)\b"
    r"|docker(?:-| +)compose +(?:-\S+ +\S+ +)*(?:down|logs|up\b[^\n]* (?:-d|--detach|--wait))\b"
    r"|mkdocs +gh-deploy|docusaurus +deploy|dotnet +(?:sonarscanner|ef)\b|rails +db:|rake +(?:db|deploy|sonar)[:\s]"
    r"|php +artisan|mix +(?:ecto|sentry)\.|npm +run +(?:deploy|sentry)\S*:?(?:docs|site|pages|web)\b"
    r"|gcloud +container +(?:clusters|fleet|hub)\b"
    r"|cargo +(?:lambda|shuttle)\b|shuttle +deploy|flux +(?:reconcile|boots)"
    r"|glab +(?:mr|issue)\b"
    r"|(?:docker|podman) +run\b[^\n]* \S*(?:pact|terraform|hashicorp|aws-cli|cloud-sdk|azure-cli"
    r"|flyway|liquibase|sonar|trivy"
    r"|semgrep|codecov|sentry-cli|wrangler|firebase|ansible|kubectl|crowdin|apollo|zaproxy)\S*)"
)
_MESSAGE = re2.compile(
    r"\b(?:curl|wget|http|httpie|xh|Invoke-(?:RestMethod|WebRequest))\b[^\n]*https?://(?:[\w.\-]*\.)?(?:hooks\.slack\.com"
    r"|slack\.com/api|discord(?:app)?\.com/api|api\.telegram\.org|[\w.\-]*webhook\.office\.com|outlook\.office\.com"
    r"|events\.pagerduty\.com|api\.(?:pagerduty|opsgenie|datadoghq|honeycomb|mailgun|sendgrid|twilio|cloudflare|vercel"
    r"|netlify|render|newrelic|statuspage|linear|notion)\.(?:com|io|app|net)|sentry\.io|ntfy\.sh"
    r"|[\w.\-]+\.atlassian\.net|codecov\.io|coveralls\.io|purge\.\S+|api\.fastly\.com)"
)
# Runs what stands behind it with something in its environment.
_WRAPS = re2.compile(
    r" -- +\S| (?:run|exec|shell) +(?:npm|pnpm|yarn|bun|twine|cargo|gem|poetry|uv|docker) +(?:\S+ +){0,2}"
    r"(?:publish|push|upload)\b"
)
_ACTION = re2.compile(r"^([\w.\-]+)/([\w.\-]+)(?:/[\w.\-/]+)?@\S+\s*$")
_SERVICE_OWNERS = frozenset(
    {
        *("cloudflare", "firebaseextended", "netlify", "superfly", "pulumi", "serverless", "appleboy", "easingthemes"),
        *(
            "slackapi",
            "codecov",
            "coverallsapp",
            "sonarsource",
            "snyk",
            "aquasecurity",
            "anchore",
            "getsentry",
            "datadog",
        ),
        *("step-security", "expo", "chromaui", "percy", "apple-actions", "crowdin", "pactflow", "hashicorp", "ossf"),
        *("sigstore", "terraform-linters", "bridgecrewio", "samkirkland", "burnett01", "peaceiris", "jamesives"),
        *("sarisia", "ilshidur", "rtcamp", "8398a7", "ravsamhq", "amondnet", "nwtgck", "akhileshns", "dawidd6"),
        *("cypress-io", "codacy", "deepsourcelabs", "lhotari", "grafana", "newrelic", "launchdarkly", "cachix"),
        *("digitalocean", "vercel", "render-oss", "railwayapp", "supabase", "steebchen", "tailscale", "webfactory"),
        *("kolpav", "shimataro", "wlixcc", "cross-the-world", "maierj", "r0adkll", "wzieba", "trufflesecurity"),
        *("gitleaks", "zricethezav", "semgrep", "returntocorp", "checkmarx", "veracode", "fossas", "1password"),
        *(
            "apollographql",
            "kong",
            "redocly",
            "readmeio",
            "lokalise",
            "bitovi",
            "spacelift-io",
            "turnstyle",
            "opentofu",
        ),
    }
)
_SERVICE_ACTION = re2.compile(
    r"(?i)^(?:aws-actions/(?:amazon-ecs|amazon-eks|aws-(?:cloudformation|codebuild|lambda|secretsmanager))"
    r"|google-github-actions/(?:deploy|get-|upload-|ssh|create-cloud-deploy|run-|send-|setup-cloud-sdk)"
    r"|azure/(?:webapps|functions|aks|k8s|cli|arm|bicep|static-web|sql|container-apps|appservice|get-key|load-test|spring"
    r"|powershell|setup-|deploy-|data-factory|postgresql|mysql|blueprint|manual-approval)"
    r"|github/(?:codeql|issue|branch-deploy|gh-aw|combine)|actions/(?:deploy-pages|configure-pages|upload-pages|cache"
    r"|upload-artifact|download-artifact|attest|stale|labeler|first-interaction|add-to-project|jekyll)"
    r"|docker/scout|[\w.\-]+/[\w.\-]*(?:slack|discord|telegram|teams-?not|pagerduty|notif|gh-?pages|github-pages|ssh-?"
    r"|rsync|ftp-|sftp|s3-sync|s3-|cloudfront|cloud-?run|lambda|beanstalk|kubectl|kubernetes|helm-deploy|terraform"
    r"|terragrunt|ansible|heroku|vercel|netlify|surge|codecov|coverage|sonar|lighthouse|sentry|trivy|semgrep|jira"
    r"|firebase|cloudflare|wrangler|scan|pact))"
)
# What services say of themselves, wherever it is printed; AWS names the operation it refuses.
_SAID = re2.compile(
    r"when calling the (\w+) operation|\(gcloud\.([a-z\-.]+)\)|^(?:fatal|failed|unreachable): \[[\w.\-]+\]: "
    r"|Cloudflare API|\bapi\.cloudflare\.com"
    r"|firebase(?:hosting|functions|rules|storage)?\.googleapis\.com|api\.vercel\.com"
    r"|api\.netlify\.com|hooks\.slack\.com|slack\.com/api|discord(?:app)?\.com/api|api\.telegram\.org|codecov\.io"
    r"|coveralls\.io|sentry\.io|sonarcloud\.io|\.execute-api\.|lambda[\w.\-]*\.amazonaws\.com"
    r"|management\.azure\.com|\.scm\.azurewebsites\.net|run\.googleapis\.com|api\.heroku\.com"
    r"|actions/cache|cache service|ARTIFACT_CACHE|results-receiver\.actions"
)
_REGISTRY_OPERATIONS = re2.compile(
    r"^(?:Get(?:Authorization|DownloadUrl)|InitiateLayerUpload|UploadLayerPart|CompleteLayerUpload|PutImage"
    r"|BatchCheckLayer|BatchGetImage|CreateRepository|PublishPackageVersion|GetRepositoryEndpoint|PutPackage\w*"
    r"|AssumeRole\w*|GetCallerIdentity|DescribeRepositories)"
)


@functools.lru_cache(maxsize=1024)
def is_service(piece: str) -> bool:
    """Whether one command, or an action's name, is about something else than a registry."""
    if action := _ACTION.search(piece):
        return action.group(1).lower() in _SERVICE_OWNERS or bool(_SERVICE_ACTION.search(piece))
    if _WRAPS.search(piece):
        return False
    if cloud := _CLOUD.search(piece):
        return cloud.group(3) not in _OF_REGISTRY[cloud.group(1)] or bool(_BY_SUBCOMMAND.search(piece))
    return bool(_SERVICE.search(piece) or _BY_SUBCOMMAND.search(piece) or _MESSAGE.search(piece))


def said_by_service(text: str) -> bool:
    """Whether a line names the service that refused something, and that service keeps no packages."""
    said = _SAID.search(text)
    if said is None:
        return False
    if operation := said.group(1):
        return not _REGISTRY_OPERATIONS.search(operation)
    if part := said.group(2):
        return not part.startswith(("artifacts", "auth", "builds"))
    return True
