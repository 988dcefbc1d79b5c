"""Deploys, reports, messages and log-ins of other services are no publishes, whatever they are called."""

from __future__ import annotations

import pytest

from bot.diagnosis.commands import setting_of
from bot.diagnosis.engine import diagnose
from bot.diagnosis.other_services import is_service, said_by_service

REFUSED = (
    ("npx wrangler publish", "✘ [ERROR] Authentication error [code: 10000]"),
    ("npx firebase deploy --only hosting:publish", "Error: HTTP Error: 401, Request had invalid authentication"),
    (
        "aws lambda publish-layer-version --layer-name deps --zip-file fileb://layer.zip",
        "An error occurred (AccessDeniedException) when calling the PublishLayerVersion operation: not authorized",
    ),
    (
        "aws --region eu-west-1 sns publish --topic-arn arn:aws:sns:eu-west-1:1:releases --message out",
        "An error occurred (InvalidClientTokenId) when calling the Publish operation: The security token is invalid",
    ),
    ("gcloud pubsub topics publish releases --message out", "ERROR: (gcloud.pubsub.topics.publish) UNAUTHENTICATED"),
    ("func azure functionapp publish orders", "Unable to connect to Azure: 401 Unauthorized"),
    ("pact-broker publish pacts --consumer-app-version 1.2.3", "Error: 401 Unauthorized"),
    ("docker run --rm pactfoundation/pact-cli publish /pacts", "Error making request: 401 Unauthorized"),
    ("npx gh-pages -d dist", "remote: Permission to acme/ui.git denied to github-actions[bot]."),
    ("npx expo publish --non-interactive", "CommandError: Unauthorized: EXPO_TOKEN is invalid"),
    (
        "ansible-playbook -i prod release.yml",
        'fatal: [web1]: UNREACHABLE! => {"msg": "Permission denied (publickey)."}',
    ),
    ("helm upgrade --install api charts/api", "Error: the server has asked for the client to provide credentials"),
    ("rover subgraph publish acme@prod --schema schema.graphql", "error[E013]: 401 Unauthorized"),
    ("redis-cli publish releases 1.0.0", "(error) NOAUTH Authentication required."),
    ("sentry-cli releases new 1.0.0", "error: Invalid token (http status: 401)"),
    ("psql -f seed.sql", 'psql: error: FATAL:  password authentication failed for user "release"'),
    (
        "curl --fail -d @m.json https://hooks.slack.com/services/T/B/X",
        "curl: (22) The requested URL returned error: 403",
    ),
    ("scp -r dist publish@web1:/srv", "publish@web1: Permission denied (publickey,password)."),
)
PUBLISHED = (
    "npm publish",
    "npm notice 📦  @acme/ui@1.2.3\n"
    "npm notice Publishing to https://registry.npmjs.com/ with tag latest and public access\n+ @acme/ui@1.2.3",
)


def github(*steps: tuple[str, str], refused: bool = True) -> bytes:
    """A job called `publish`, set up for the registry, whose last step fails."""
    setup = "actions/setup-node@v4", "with:\n  registry-url: https://registry.npmjs.com\n##[endgroup]"
    parts = [f"##[group]Run {run}\n{out}" for run, out in (setup,)]
    parts += [f"##[group]Run {run}\nshell: /usr/bin/bash -e {{0}}\n##[endgroup]\n{out}" for run, out in steps]
    end = "##[error]Process completed with exit code 1.\n" if refused else ""
    text = "Complete job name: publish\n" + "\n".join(parts) + f"\n{end}Cleaning up orphan processes\n"
    return "".join(f"2026-06-06T16:42:03.1234567Z {line}\n" for line in text.splitlines()).encode()


def gitlab(*steps: tuple[str, str]) -> bytes:
    text = "".join(f"\x1b[32;1m$ {run}\x1b[0;m\n{out}\n" for run, out in steps)
    return (text + "ERROR: Job failed: exit code 1\n").encode()


@pytest.mark.parametrize(("run", "says"), REFUSED, ids=[run[:40] for run, _ in REFUSED])
def test_a_service_that_refuses_is_no_registry(run: str, says: str) -> None:
    script = f"> site@1.0.0 release:site\n> {run}\n\n{says}"
    for log in (github((run, says)), gitlab((run, says)), github(("npm run release:site", script))):
        found = diagnose(log)
        assert (found.cause, found.auth, found.registry) == ("not-a-publish", False, None)


@pytest.mark.parametrize(("run", "says"), REFUSED, ids=[run[:40] for run, _ in REFUSED])
def test_a_service_that_refuses_after_a_publish_undoes_nothing(run: str, says: str) -> None:
    for log in (github(PUBLISHED, (run, says)), gitlab(PUBLISHED, (run, says))):
        found = diagnose(log)
        assert (found.cause, found.package, found.version) == ("published", "@acme/ui", "1.2.3")


@pytest.mark.parametrize(
    "command",
    [
        "aws ecr get-login-password --region eu-west-1",
        "aws codeartifact login --tool npm --repository r --domain d",
        "aws --profile ci ecr-public get-login-password",
        "az acr login --name acme",
        "az login --service-principal",
        "gcloud auth configure-docker europe-docker.pkg.dev",
        "gcloud artifacts print-settings npm",
        "doppler run -- npm publish",
        "railway run -- npm publish",
        "sst shell npm publish",
        "kubectl exec builder -- npm publish",
        "op run --env-file .env -- twine upload dist/*",
        "npm publish",
        "pnpm -r publish",
        "helm push charts/api-1.0.0.tgz oci://ghcr.io/acme/charts",
        "buf push",
        "conan upload hello/1.0 -r acme",
        "ansible-galaxy collection publish acme-web-1.0.0.tar.gz",
        "docker push ghcr.io/acme/api:1.0.0",
        "JS-DevTools/npm-publish@v3",
        "changesets/action@v1",
        "docker/build-push-action@v6",
        "aws-actions/amazon-ecr-login@v2",
        "pypa/gh-action-pypi-publish@release/v1",
    ],
)
def test_what_serves_a_registry_is_none_of_these_services(command: str) -> None:
    assert not is_service(command)


def test_what_an_action_for_a_service_is_given_is_no_publish() -> None:
    assert setting_of("cloudflare/wrangler-action@v3\npublish") == "text"
    assert setting_of("appleboy/ssh-action@v1\nnpm publish") == "publish"


@pytest.mark.parametrize(
    ("text", "service"),
    [
        ("An error occurred (AccessDenied) when calling the PutObject operation: Access Denied", True),
        ("An error occurred (AccessDenied) when calling the GetAuthorizationToken operation: not authorized", False),
        ("An error occurred (AccessDenied) when calling the PublishPackageVersion operation: denied", False),
        ("ERROR: (gcloud.run.deploy) PERMISSION_DENIED", True),
        ("ERROR: (gcloud.artifacts.print-settings.npm) PERMISSION_DENIED", False),
        ("npm error 403 403 Forbidden - PUT https://registry.npmjs.com/@acme%2fui", False),
    ],
)
def test_a_line_that_names_a_service_is_of_that_service(text: str, service: bool) -> None:
    assert said_by_service(text) is service


_AWS = (
    "aws-actions/configure-aws-credentials@v4",
    "Assuming role with OIDC\nError: Could not assume role with OIDC: "
    "Not authorized to perform sts:AssumeRoleWithWebIdentity",
)


@pytest.mark.parametrize(
    ("job", "fetched", "cause"),
    [
        ("publish-site", (), "not-a-publish"),
        ("release-cloud-run", (), "not-a-publish"),
        ("push-notifications", (), "not-a-publish"),
        ("publish", (), "not-a-publish"),
        ("publish", ("aws-actions/amazon-ecs-deploy-task-definition",), "not-a-publish"),
        ("publish", ("aws-actions/amazon-ecr-login", "docker/build-push-action"), "oidc-publisher-mismatch"),
        ("push-image", (), "oidc-publisher-mismatch"),
    ],
)
def test_a_log_in_to_a_cloud_counts_where_the_job_pushes_to_its_registry(
    job: str, fetched: tuple[str, ...], cause: str
) -> None:
    log = github(_AWS).replace(b"Complete job name: publish", f"Complete job name: {job}".encode())
    actions = "".join(f"Download action repository '{name}' (SHA:0a1b)\n" for name in fetched).encode()
    assert diagnose(actions + log).cause == cause


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("gh issue comment 19 -b done || true", "GraphQL: Resource not accessible by integration (addComment)"),
        ("git tag v1.2.3 || echo there", "fatal: tag 'v1.2.3' already exists"),
        ("git push origin v1.2.3 || true", "remote: Permission to acme/ui.git denied to github-actions[bot]."),
        ("curl -fsS https://hooks.slack.com/services/x || true", "curl: (22) The requested URL returned error: 403"),
    ],
)
def test_what_is_refused_after_a_publish_and_fails_nothing_is_passed_over(more: str, says: str) -> None:
    run, said = PUBLISHED
    for log in (github((run, said), (more, says), refused=False), github((run, f"{said}\n{says}"), refused=False)):
        found = diagnose(log)
        assert (found.cause, found.package) == ("published", "@acme/ui")
