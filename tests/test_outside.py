"""The stand-ins for GitHub and the registry: they sign as the real ones sign, and answer as they answer."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import time
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import jwt
import pytest
import pytest_asyncio
from aiohttp import web
from yarl import URL

from bot.demo.github import Job, events, job_from_log, payloads
from bot.demo.github.deliveries import Hook
from bot.demo.github.world import restamped
from bot.demo.outside import Outside
from bot.demo.serving import Serving

SECRET = "webhook-secret"
RUNS = "/repos/acme/ui/actions/runs"


class Listener:
    """A bot that writes down what reaches it."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        app = web.Application(client_max_size=30 * 1024 * 1024)
        app.router.add_post("/{path:.*}", self._take)
        self.serving = Serving(app)

    async def _take(self, request: web.Request) -> web.Response:
        self.got.append((request.path, dict(request.headers), await request.read()))
        return web.Response(status=202)


@pytest_asyncio.fixture
async def world() -> AsyncIterator[Outside]:
    async with Outside.start() as started:
        yield started


@pytest_asyncio.fixture
async def listener(world: Outside) -> AsyncIterator[Listener]:
    made = Listener()
    async with made.serving as serving:
        world.bot_at(serving.url, webhook_secret=SECRET)
        yield made


@pytest_asyncio.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer token"}) as session:
        yield session


# --- webhooks --------------------------------------------------------------------------------------------------------


async def test_a_delivery_is_signed_on_its_raw_bytes(world: Outside, listener: Listener) -> None:
    run = world.github.add_run("acme/ui", run_id=4711)
    sent = await world.github.send_run(run, guid="11111111-2222-4333-8444-555555555555")
    path, headers, body = listener.got[0]
    assert (path, sent.status, sent.ok) == ("/github/webhooks", 202, True)
    assert headers["X-Hub-Signature-256"] == "sha256=" + hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-GitHub-Event"] == "workflow_run"
    assert headers["X-GitHub-Delivery"] == "11111111-2222-4333-8444-555555555555"
    assert headers["User-Agent"].startswith("GitHub-Hookshot/")
    payload = json.loads(body)
    assert payload["workflow_run"]["id"] == 4711
    assert payload["repository"]["full_name"] == "acme/ui"
    assert payload["installation"]["id"] == payloads.INSTALLATION_ID


async def test_a_redelivery_keeps_the_guid_and_the_bytes(world: Outside, listener: Listener) -> None:
    first = await world.github.send("ping", events.ping())
    again = await world.github.redeliver(first)
    assert (again.guid, again.raw, again.redelivery) == (first.guid, first.raw, True)
    assert listener.got[0][2] == listener.got[1][2]


async def test_a_form_delivery_carries_the_payload_field(world: Outside, listener: Listener) -> None:
    await world.github.send("ping", events.ping(), form=True)
    _, headers, body = listener.got[0]
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert body.startswith(b"payload=%7B")


async def test_lost_deliveries_are_listed_and_can_be_sent_again(
    world: Outside, listener: Listener, http: aiohttp.ClientSession
) -> None:
    hook = Hook("repository", "acme/ui", 123)
    lost = world.github.lose("workflow_run", payloads.workflow_run_completed("acme/ui", 9), hook=hook)
    base = f"{world.github_api_url}/repos/acme/ui/hooks/123/deliveries"
    async with http.get(base, params={"status": "failure"}) as answer:
        (listed,) = await answer.json()
    assert (listed["guid"], listed["status_code"], listed["action"]) == (lost.guid, 502, "completed")
    async with http.post(f"{base}/{listed['id']}/attempts") as answer:
        assert answer.status == 202
    assert listener.got[0][1]["X-GitHub-Delivery"] == lost.guid
    async with http.get(base) as answer:
        assert [(one["status_code"], one["redelivery"]) for one in await answer.json()] == [(202, True), (502, False)]


async def test_delivery_pages_are_walked_by_cursor(world: Outside) -> None:
    for _ in range(5):
        world.github.lose("ping", events.ping())
    token = jwt.encode({"iss": "1", "exp": int(time.time()) + 60}, "k" * 32, algorithm="HS256")
    seen: list[int] = []
    url: str | None = f"{world.github_api_url}/app/hook/deliveries?per_page=2"
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:
        while url:
            async with session.get(url) as answer:
                seen += [one["id"] for one in await answer.json()]
                url = str(answer.links["next"]["url"]) if "next" in answer.links else None
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == 5


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        ("ping", events.ping()),
        ("secret_scanning_alert", events.secret_scanning_alert("acme/ui")),
        ("release", events.release("acme/ui", "v1.0.0")),
        ("repository_dispatch", events.repository_dispatch("acme/ui", "publish-failed", {"package": "@acme/ui"})),
        ("repository", events.repository_renamed("acme/ui", "kit")),
        ("repository", events.repository_transferred("acme/ui", "old")),
        ("push", events.push("acme/ui", modified=[".github/workflows/release.yml"])),
        ("personal_access_token_request", events.personal_access_token_request("acme", "ci", datetime.now(UTC))),
        ("installation", events.installation("created", ["acme/ui"], {"actions": "read"})),
    ],
)
async def test_every_payload_is_json_with_a_sender(
    world: Outside, listener: Listener, event: str, payload: dict[str, Any]
) -> None:
    assert (await world.github.send(event, payload)).ok
    assert json.loads(listener.got[0][2])["sender"]["login"]


async def test_nobody_listening_is_a_failed_delivery_not_an_error(world: Outside) -> None:
    sent = await world.github.send("ping", events.ping(), SECRET, "http://127.0.0.1:9/github/webhooks")
    assert (sent.status, sent.ok) == (0, False)


# --- REST ------------------------------------------------------------------------------------------------------------


async def test_a_log_is_behind_a_redirect_to_another_origin(world: Outside, http: aiohttp.ClientSession) -> None:
    run = world.github.add_run(jobs=[Job("publish", "failure", b"\xef\xbb\xbfnpm error code E404\n")])
    url = f"{world.github_api_url}/repos/acme/ui/actions/jobs/{run.jobs[0].id}/logs"
    async with http.get(url, allow_redirects=False) as answer:
        assert answer.status == 302
        location = answer.headers["Location"]
    assert not location.startswith(world.github_api_url)
    async with aiohttp.ClientSession() as bare, bare.get(location) as log:
        assert await log.read() == b"\xef\xbb\xbfnpm error code E404\n"
    assert world.github.blobs.leaked == 0
    async with http.get(location) as leaking:
        assert leaking.status == 400
    assert world.github.blobs.leaked == 1


async def test_a_log_can_be_late_gone_cut_or_missing(world: Outside, http: aiohttp.ClientSession) -> None:
    job = world.github.add_run(jobs=[Job("publish", "failure", b"x" * 100_000)]).jobs[0]
    url = f"{world.github_api_url}/repos/acme/ui/actions/jobs/{job.id}/logs"
    world.github.log_manners(job, not_yet=2)
    statuses = []
    for _ in range(3):
        async with http.get(url, allow_redirects=False) as answer:
            statuses.append(answer.status)
    assert statuses == [404, 404, 302]
    for manners, outcome in (({"cut_after": 50_000}, aiohttp.ClientPayloadError), ({"blob_status": 404}, None)):
        world.github.log_manners(job, **manners)
        async with http.get(url, allow_redirects=False) as answer:
            location = answer.headers["Location"]
        async with aiohttp.ClientSession() as bare, bare.get(location) as log:
            if outcome is None:
                assert log.status == 404
            else:
                with pytest.raises(outcome):
                    await log.read()
    world.github.log_manners(job, gone=True)
    async with http.get(url, allow_redirects=False) as answer:
        assert answer.status == 410


async def test_jobs_come_in_pages_with_links(world: Outside, http: aiohttp.ClientSession) -> None:
    run = world.github.add_run(jobs=[Job(f"job {number}") for number in range(5)])
    url = f"{world.github_api_url}{RUNS}/{run.id}/attempts/1/jobs"
    async with http.get(url, params={"per_page": "2", "page": "2"}) as answer:
        body = await answer.json()
        assert (body["total_count"], [job["name"] for job in body["jobs"]]) == (5, ["job 2", "job 3"])
        assert {"next", "prev", "first", "last"} <= set(answer.links)


async def test_attempts_of_a_run_are_told_apart(world: Outside, http: aiohttp.ClientSession) -> None:
    world.github.add_run(run_id=5, conclusion="failure")
    world.github.add_run(run_id=5, attempt=2, conclusion="success")
    async with http.get(f"{world.github_api_url}{RUNS}/5") as answer:
        latest = await answer.json()
    async with http.get(f"{world.github_api_url}{RUNS}/5/attempts/1") as answer:
        first = await answer.json()
    assert (latest["run_attempt"], latest["conclusion"], first["conclusion"]) == (2, "success", "failure")


async def test_an_etag_makes_the_second_answer_free(world: Outside, http: aiohttp.ClientSession) -> None:
    run = world.github.add_run()
    url = f"{world.github_api_url}{RUNS}/{run.id}"
    async with http.get(url) as first:
        etag, left = first.headers["ETag"], first.headers["x-ratelimit-remaining"]
    async with http.get(url, headers={"If-None-Match": etag}) as second:
        assert (second.status, second.headers["x-ratelimit-remaining"]) == (304, left)


async def test_secrets_are_seen_at_their_level_and_never_by_value(world: Outside, http: aiohttp.ClientSession) -> None:
    at = datetime(2026, 8, 20, 9, tzinfo=UTC)
    world.github.add_secret("NPM_TOKEN", repo="acme/ui", updated_at=at)
    world.github.add_secret("ORG_TOKEN", org="acme", updated_at=at, visibility="selected", selected=["acme/ui"])
    world.github.add_secret("OTHER", org="acme", updated_at=at, visibility="selected", selected=["acme/api"])
    world.github.add_secret("ENV_TOKEN", repo="acme/ui", environment="npm", updated_at=at)
    base = f"{world.github_api_url}/repos/acme/ui"
    async with http.get(f"{base}/actions/secrets/NPM_TOKEN") as answer:
        assert set(await answer.json()) == {"name", "created_at", "updated_at"}
    async with http.get(f"{base}/actions/organization-secrets") as answer:
        assert [secret["name"] for secret in (await answer.json())["secrets"]] == ["ORG_TOKEN"]
    async with http.get(f"{base}/environments/npm/secrets") as answer:
        assert (await answer.json())["total_count"] == 1
    async with http.get(f"{base}/environments/none/secrets") as answer:
        assert answer.status == 404
    async with http.get(f"{world.github_api_url}/orgs/acme/actions/secrets/ORG_TOKEN") as answer:
        assert (await answer.json())["visibility"] == "selected"


async def test_a_missing_permission_is_named(world: Outside, http: aiohttp.ClientSession) -> None:
    del world.github.api.permissions["secrets"]
    async with http.get(f"{world.github_api_url}/repos/acme/ui/actions/secrets") as answer:
        assert answer.status == 403
        assert answer.headers["X-Accepted-GitHub-Permissions"] == "secrets=read"


async def test_files_come_as_base64_or_raw_at_their_commit(world: Outside, http: aiohttp.ClientSession) -> None:
    path = ".github/workflows/release.yml"
    world.github.add_file("acme/ui", path, "on: push\n")
    world.github.add_file("acme/ui", path, "on: release\n", ref="abc")
    url = f"{world.github_api_url}/repos/acme/ui/contents/{path}"
    async with http.get(url, params={"ref": "main"}) as answer:
        body = await answer.json()
        assert base64.b64decode(body["content"]).decode() == "on: push\n"
    async with http.get(url, params={"ref": "abc"}, headers={"Accept": "application/vnd.github.raw+json"}) as answer:
        assert await answer.text() == "on: release\n"
    async with http.get(f"{world.github_api_url}/repos/acme/ui/contents/.github/workflows") as answer:
        assert [entry["path"] for entry in await answer.json()] == [path]


async def test_only_failed_runs_can_be_run_again(world: Outside, http: aiohttp.ClientSession) -> None:
    bad, good = world.github.add_run(), world.github.add_run(conclusion="success")
    async with http.post(f"{world.github_api_url}{RUNS}/{bad.id}/rerun-failed-jobs") as answer:
        assert answer.status == 201
    async with http.post(f"{world.github_api_url}{RUNS}/{good.id}/rerun-failed-jobs") as answer:
        assert answer.status == 403
    assert world.github.reruns == [("acme/ui", bad.id)]


async def test_an_installation_token_is_long_and_lives_an_hour(world: Outside) -> None:
    world.github.api.token = "the-only-one"
    token = jwt.encode({"iss": "1", "exp": int(time.time()) + 60}, "k" * 32, algorithm="HS256")
    url = f"{world.github_api_url}/app/installations/1/access_tokens"
    async with aiohttp.ClientSession() as session:
        async with session.post(url, headers={"Authorization": f"Bearer {token}"}) as answer:
            assert answer.status == 201
            made = (await answer.json())["token"]
        assert made.startswith("ghs_")
        assert len(made) > 200
        for bearer, status in ((made, 200), ("wrong", 401)):
            headers = {"Authorization": f"Bearer {bearer}"}
            async with session.get(f"{world.github_api_url}/user", headers=headers) as answer:
                assert answer.status == status
        async with session.post(url, headers={"Authorization": "Bearer not.a.jwt"}) as answer:
            assert answer.status == 401


async def test_faults_are_answered_the_asked_number_of_times(world: Outside, http: aiohttp.ClientSession) -> None:
    world.github.fail(r"GET /user", status=502, times=2)
    world.github.rate_limit(r"GET /user", retry_after_s=7)
    seen = []
    for _ in range(4):
        async with http.get(f"{world.github_api_url}/user") as answer:
            seen.append((answer.status, answer.headers.get("retry-after")))
    assert seen == [(502, None), (502, None), (403, "7"), (200, None)]
    # aiohttp itself asks once more when a kept connection dies under a GET.
    world.github.fail(r"GET /user", drop=True, times=2)
    with pytest.raises(aiohttp.ClientError):
        await http.get(f"{world.github_api_url}/user")


async def test_the_zip_of_a_run_holds_a_file_per_job(world: Outside, http: aiohttp.ClientSession) -> None:
    run = world.github.add_run(jobs=[Job("build"), Job("publish", "failure", b"boom")])
    url = f"{world.github_api_url}{RUNS}/{run.id}/attempts/1/logs"
    async with http.get(url, allow_redirects=False) as answer:
        location = answer.headers["Location"]
    async with aiohttp.ClientSession() as bare, bare.get(location) as packed:
        archive = zipfile.ZipFile(io.BytesIO(await packed.read()))
    assert archive.read("1_publish.txt") == b"boom"


def test_a_log_moves_in_time_and_gives_steps() -> None:
    log = (
        "2026-01-01T10:00:00.0000000Z Current runner version: '2.330.0'\n"
        "2026-01-01T10:00:05.0000000Z ##[group]Run npm publish\n"
        "no stamp here\n"
        "2026-01-01T10:00:09.0000000Z ##[error]Process completed with exit code 1.\n"
    )
    ends = datetime(2026, 11, 22, 12, tzinfo=UTC)
    moved = restamped(log, ends)
    assert "2026-11-22T11:59:51.0000000Z Current" in moved
    assert "no stamp here" in moved
    job = job_from_log("publish", moved)
    assert [(step.name, step.conclusion) for step in job.steps] == [
        ("Set up job", "success"),
        ("Run npm publish", "failure"),
    ]
    assert (job.completed_at, job.steps[1].started_at) == (ends, ends - timedelta(seconds=4))


# --- the registry ----------------------------------------------------------------------------------------------------


async def test_a_packument_shows_versions_and_who_published(world: Outside, http: aiohttp.ClientSession) -> None:
    world.registry.publish("@acme/ui", "2.3.0", by="token")
    world.registry.publish("@acme/ui", "2.3.1", by="oidc")
    for path in ("@acme%2fui", "@acme/ui"):
        async with http.get(URL(f"{world.registry_url}/{path}", encoded=True)) as answer:
            body = await answer.json()
        assert body["dist-tags"] == {"latest": "2.3.1"}
        assert body["versions"]["2.3.1"]["_npmUser"]["trustedPublisher"]["id"] == "github"
        assert "trustedPublisher" not in body["versions"]["2.3.0"]["_npmUser"]
        assert "2.3.1" in body["time"]
    async with http.get(f"{world.registry_url}/nothing") as answer:
        assert (answer.status, await answer.json()) == (404, {"error": "Not found"})


async def test_the_short_packument_and_etags(world: Outside, http: aiohttp.ClientSession) -> None:
    world.registry.package("kit", padding=2_000_000)
    world.registry.publish("kit", "1.0.0")
    async with http.get(f"{world.registry_url}/kit") as answer:
        assert len(await answer.read()) > 2_000_000
        etag = answer.headers["ETag"]
    async with http.get(f"{world.registry_url}/kit", headers={"If-None-Match": etag}) as answer:
        assert answer.status == 304
    short = {"Accept": "application/vnd.npm.install-v1+json"}
    async with http.get(f"{world.registry_url}/kit", headers=short) as answer:
        assert answer.content_type == "application/vnd.npm.install-v1+json"
        assert len(await answer.read()) < 2_000
    world.registry.fail(status=503)
    async with http.get(f"{world.registry_url}/kit") as answer:
        assert answer.status == 503
    async with http.get(f"{world.registry_url}/-/whoami") as answer:
        assert answer.status == 401
