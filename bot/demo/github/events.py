"""The bodies of the webhooks other than `workflow_run`, in their real shapes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.demo.github.payloads import API, APP_ID, INSTALLATION_ID, WEB, Json, envelope, organization, user
from bot.demo.github.world import number_for, sha_for, stamp


def ping(repo: str = "acme/ui", hook_id: int = 471_100_212) -> Json:
    return {
        "zen": "Keep it logically awesome.",
        "hook_id": hook_id,
        "hook": {
            "type": "Repository",
            "id": hook_id,
            "name": "web",
            "active": True,
            "events": ["workflow_run", "secret_scanning_alert", "repository", "push"],
            "config": {"content_type": "json", "insecure_ssl": "0", "secret": "********", "url": "https://bot.example"},
            "updated_at": "2026-11-01T08:00:00Z",
            "created_at": "2026-11-01T08:00:00Z",
        },
        **envelope(repo, installation=None),
    }


def secret_scanning_alert(
    repo: str,
    *,
    number: int = 17,
    action: str = "created",
    secret_type: str = "npm_access_token",  # noqa: S107 - the name of a kind, not a secret
    display_name: str = "npm Access Token",
    validity: str = "active",
    publicly_leaked: bool = True,
    at: datetime | None = None,
) -> Json:
    """Never carries the secret: GitHub leaves it out of webhooks."""
    when = stamp(at or datetime.now(UTC))
    return {
        "action": action,
        "alert": {
            "number": number,
            "created_at": when,
            "updated_at": when,
            "url": f"{API}/repos/{repo}/secret-scanning/alerts/{number}",
            "html_url": f"{WEB}/{repo}/security/secret-scanning/{number}",
            "locations_url": f"{API}/repos/{repo}/secret-scanning/alerts/{number}/locations",
            "secret_type": secret_type,
            "secret_type_display_name": display_name,
            "validity": validity,
            "push_protection_bypassed": False,
            "publicly_leaked": publicly_leaked,
            "multi_repo": False,
            "resolution": None,
            "resolved_at": None,
            "resolved_by": None,
        },
        **envelope(repo),
    }


def release(repo: str, tag: str, *, action: str = "published", prerelease: bool = False) -> Json:
    return {
        "action": action,
        "release": {
            "id": number_for(f"{repo}@{tag}"),
            "url": f"{API}/repos/{repo}/releases/{number_for(f'{repo}@{tag}')}",
            "html_url": f"{WEB}/{repo}/releases/tag/{tag}",
            "tag_name": tag,
            "target_commitish": "main",
            "name": tag,
            "draft": False,
            "prerelease": prerelease,
            "created_at": stamp(datetime.now(UTC)),
            "published_at": stamp(datetime.now(UTC)),
            "author": user("jonas-r"),
            "assets": [],
            "body": "",
        },
        **envelope(repo),
    }


def repository_dispatch(repo: str, event_type: str, client_payload: Mapping[str, Any]) -> Json:
    return {"action": event_type, "branch": "main", "client_payload": dict(client_payload), **envelope(repo)}


def repository_renamed(repo: str, old_name: str) -> Json:
    return {"action": "renamed", "changes": {"repository": {"name": {"from": old_name}}}, **envelope(repo)}


def repository_transferred(repo: str, old_owner: str) -> Json:
    return {
        "action": "transferred",
        "changes": {"owner": {"from": {"organization": organization(old_owner)}}},
        **envelope(repo),
    }


def push(
    repo: str,
    *,
    branch: str = "main",
    added: Sequence[str] = (),
    removed: Sequence[str] = (),
    modified: Sequence[str] = (),
    pusher: str = "jonas-r",
) -> Json:
    sha = sha_for(f"{repo}/{branch}/{added}/{removed}/{modified}")
    commit = {
        "id": sha,
        "tree_id": sha_for(sha),
        "distinct": True,
        "message": "ci: move the release workflow",
        "timestamp": stamp(datetime.now(UTC)),
        "url": f"{WEB}/{repo}/commit/{sha}",
        "author": {"name": pusher, "email": f"{pusher}@users.noreply.github.com", "username": pusher},
        "committer": {"name": "GitHub", "email": "noreply@github.com", "username": "web-flow"},
        "added": list(added),
        "removed": list(removed),
        "modified": list(modified),
    }
    return {
        "ref": f"refs/heads/{branch}",
        "before": sha_for(f"{sha}/before"),
        "after": sha,
        "created": False,
        "deleted": False,
        "forced": False,
        "base_ref": None,
        "compare": f"{WEB}/{repo}/compare/{sha_for(f'{sha}/before')[:12]}...{sha[:12]}",
        "commits": [commit],
        "head_commit": commit,
        "pusher": {"name": pusher, "email": f"{pusher}@users.noreply.github.com"},
        **envelope(repo, sender=pusher),
    }


def tag_push(repo: str, tag: str) -> Json:
    """A tag is made."""
    made = push(repo)
    return made | {"ref": f"refs/tags/{tag}", "before": "0" * 40, "created": True, "commits": []}


def personal_access_token_request(org: str, token_name: str, expires_at: datetime, *, action: str = "created") -> Json:
    return {
        "action": action,
        "personal_access_token_request": {
            "id": 1033,
            "owner": user("mara-k"),
            "permissions_added": {"organization": {}, "repository": {"contents": "write"}},
            "permissions_upgraded": {},
            "permissions_result": {"organization": {}, "repository": {"contents": "write"}},
            "repository_selection": "subset",
            "repository_count": 1,
            "repositories": [],
            "created_at": stamp(datetime.now(UTC)),
            "token_id": 40_122,
            "token_name": token_name,
            "token_expired": False,
            "token_expires_at": stamp(expires_at),
            "token_last_used_at": None,
        },
        "organization": organization(org),
        "sender": user("mara-k"),
        "installation": {"id": INSTALLATION_ID},
    }


def installation(action: str, repos: Sequence[str], permissions: Mapping[str, str]) -> Json:
    owner = repos[0].split("/", 1)[0] if repos else "acme"
    return {
        "action": action,
        "installation": {
            "id": INSTALLATION_ID,
            "account": user(owner, "Organization"),
            "repository_selection": "selected",
            "app_id": APP_ID,
            "app_slug": "tokenwatch",
            "target_type": "Organization",
            "permissions": dict(permissions),
            "events": ["workflow_run"],
            "created_at": stamp(datetime.now(UTC)),
            "updated_at": stamp(datetime.now(UTC)),
            "suspended_at": None,
        },
        "repositories": [
            {"id": number_for(repo), "name": repo.split("/", 1)[1], "full_name": repo, "private": False}
            for repo in repos
        ],
        "sender": user("mara-k"),
    }
