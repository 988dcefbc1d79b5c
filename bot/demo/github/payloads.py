"""The JSON of people, repositories, runs, jobs and secrets as GitHub writes it. Pure: from `world` to dicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.demo.github.world import Job, Run, Secret, blob_sha, number_for, sha_for, stamp

Json = dict[str, Any]
API = "https://api.github.com"
WEB = "https://github.com"
APP_ID = 902_113
INSTALLATION_ID = 51_773_302


def user(login: str, kind: str = "User") -> Json:
    return {
        "login": login,
        "id": number_for(login) // 10,
        "node_id": f"U_kgDO{number_for(login):x}",
        "avatar_url": f"https://avatars.githubusercontent.com/u/{number_for(login) // 10}?v=4",
        "gravatar_id": "",
        "url": f"{API}/users/{login}",
        "html_url": f"{WEB}/{login}",
        "type": kind,
        "user_view_type": "public",
        "site_admin": False,
    }


def organization(login: str) -> Json:
    return {
        "login": login,
        "id": number_for(login) // 10,
        "node_id": f"O_kgDO{number_for(login):x}",
        "url": f"{API}/orgs/{login}",
        "repos_url": f"{API}/orgs/{login}/repos",
        "events_url": f"{API}/orgs/{login}/events",
        "hooks_url": f"{API}/orgs/{login}/hooks",
        "avatar_url": f"https://avatars.githubusercontent.com/u/{number_for(login) // 10}?v=4",
        "description": "",
    }


def app(permissions: Mapping[str, str], events: Sequence[str]) -> Json:
    return {
        "id": APP_ID,
        "slug": "tokenwatch",
        "client_id": "Iv23liTokenwatchDemo",
        "name": "Tokenwatch",
        "owner": organization("acme"),
        "html_url": f"{WEB}/apps/tokenwatch",
        "permissions": dict(permissions),
        "events": list(events),
        "installations_count": 1,
    }


def installation(permissions: Mapping[str, str], events: Sequence[str]) -> Json:
    return {
        "id": INSTALLATION_ID,
        "account": user("acme", "Organization"),
        "app_id": APP_ID,
        "app_slug": "tokenwatch",
        "repository_selection": "all",
        "target_type": "Organization",
        "permissions": dict(permissions),
        "events": list(events),
        "suspended_at": None,
    }


def repository(full_name: str, *, private: bool = False, default_branch: str = "main") -> Json:
    owner, name = full_name.split("/", 1)
    return {
        "id": number_for(full_name),
        "node_id": f"R_kgDO{number_for(full_name):x}",
        "name": name,
        "full_name": full_name,
        "private": private,
        "owner": user(owner, "Organization"),
        "html_url": f"{WEB}/{full_name}",
        "description": None,
        "fork": False,
        "url": f"{API}/repos/{full_name}",
        "hooks_url": f"{API}/repos/{full_name}/hooks",
        "contents_url": f"{API}/repos/{full_name}/contents/{{+path}}",
        "created_at": "2021-03-04T09:12:44Z",
        "updated_at": "2026-11-20T16:01:09Z",
        "pushed_at": "2026-11-22T10:02:31Z",
        "git_url": f"git://github.com/{full_name}.git",
        "ssh_url": f"git@github.com:{full_name}.git",
        "clone_url": f"{WEB}/{full_name}.git",
        "default_branch": default_branch,
        "visibility": "private" if private else "public",
        "archived": False,
        "disabled": False,
        "topics": [],
    }


def job_object(run: Run, job: Job) -> Json:
    api = f"{API}/repos/{run.repo}/actions/jobs/{job.id}"
    return {
        "id": job.id,
        "run_id": run.id,
        "workflow_name": run.name,
        "head_branch": run.branch,
        "run_url": f"{API}/repos/{run.repo}/actions/runs/{run.id}",
        "run_attempt": run.attempt,
        "node_id": f"CR_kwDO{job.id:x}",
        "head_sha": run.sha,
        "url": api,
        "html_url": f"{run.url}/job/{job.id}",
        "status": "completed" if job.conclusion else "in_progress",
        "conclusion": job.conclusion,
        "created_at": _when(job.started_at),
        "started_at": _when(job.started_at),
        "completed_at": _when(job.completed_at),
        "name": job.name,
        "steps": [
            {
                "name": step.name,
                "status": "completed",
                "conclusion": step.conclusion,
                "number": place + 1,
                "started_at": _when(step.started_at),
                "completed_at": _when(step.completed_at),
            }
            for place, step in enumerate(job.steps)
        ],
        "check_run_url": f"{API}/repos/{run.repo}/check-runs/{job.id}",
        "labels": list(job.labels),
        "runner_id": 1_000_000_412,
        "runner_name": "GitHub Actions 1000000412",
        "runner_group_id": 0,
        "runner_group_name": "GitHub Actions",
    }


def run_object(run: Run, *, private: bool = False) -> Json:
    api = f"{API}/repos/{run.repo}/actions/runs/{run.id}"
    workflow_id = number_for(f"{run.repo}:{run.workflow}")
    suite = number_for(f"{run.repo}/{run.id}/suite") * 10
    previous = f"{api}/attempts/{run.attempt - 1}" if run.attempt > 1 else None
    return {
        "id": run.id,
        "name": run.name,
        "node_id": f"WFR_kwLO{run.id:x}",
        "head_branch": run.branch,
        "head_sha": run.sha,
        "path": run.workflow,
        "display_title": run.title,
        "run_number": run.number,
        "event": run.event,
        "status": "completed" if run.conclusion else "in_progress",
        "conclusion": run.conclusion,
        "workflow_id": workflow_id,
        "check_suite_id": suite,
        "check_suite_node_id": f"CS_kwDO{suite:x}",
        "url": api,
        "html_url": run.url,
        "pull_requests": [],
        "created_at": stamp(run.started_at),
        "updated_at": stamp(run.completed_at),
        "actor": user(run.actor),
        "run_attempt": run.attempt,
        "referenced_workflows": [],
        "run_started_at": stamp(run.started_at),
        "triggering_actor": user(run.actor),
        "jobs_url": f"{api}/jobs",
        "logs_url": f"{api}/logs",
        "check_suite_url": f"{API}/repos/{run.repo}/check-suites/{suite}",
        "artifacts_url": f"{api}/artifacts",
        "cancel_url": f"{api}/cancel",
        "rerun_url": f"{api}/rerun",
        "previous_attempt_url": previous,
        "workflow_url": f"{API}/repos/{run.repo}/actions/workflows/{workflow_id}",
        "head_commit": {
            "id": run.sha,
            "tree_id": sha_for(run.sha),
            "message": run.title,
            "timestamp": stamp(run.started_at),
            "author": {"name": run.actor, "email": f"{run.actor}@users.noreply.github.com"},
            "committer": {"name": "GitHub", "email": "noreply@github.com"},
        },
        "repository": repository(run.repo, private=private),
        "head_repository": repository(run.repo, private=private),
    }


def envelope(
    repo: str | None, *, sender: str = "github-actions[bot]", installation: int | None = INSTALLATION_ID
) -> Json:
    """What every delivery carries around its own fields."""
    body: Json = {"sender": user(sender, "Bot" if sender.endswith("[bot]") else "User")}
    if repo is not None:
        body["repository"] = repository(repo)
        body["organization"] = organization(repo.split("/", 1)[0])
    if installation is not None:
        body["installation"] = {"id": installation, "node_id": f"MDIz{installation:x}"}
    return body


def workflow_run(run: Run, *, action: str = "completed", installation: int | None = INSTALLATION_ID) -> Json:
    """The `workflow_run` delivery of a run that is on the stand-in."""
    return {
        "action": action,
        "workflow_run": run_object(run),
        "workflow": {
            "id": number_for(f"{run.repo}:{run.workflow}"),
            "node_id": f"W_kwDO{number_for(run.workflow):x}",
            "name": run.name,
            "path": run.workflow,
            "state": "active",
            "created_at": "2024-05-13T08:00:00.000+02:00",
            "updated_at": "2026-02-03T11:30:12.000+01:00",
            "url": f"{API}/repos/{run.repo}/actions/workflows/{number_for(f'{run.repo}:{run.workflow}')}",
            "html_url": f"{WEB}/{run.repo}/blob/{run.branch}/{run.workflow}",
            "badge_url": f"{WEB}/{run.repo}/workflows/{run.name}/badge.svg",
        },
        **envelope(run.repo, sender=run.actor, installation=installation),
    }


def workflow_run_completed(
    repo: str,
    run_id: int,
    *,
    attempt: int = 1,
    conclusion: str = "failure",
    workflow: str = ".github/workflows/release.yml",
    name: str = "Release",
    sha: str | None = None,
    branch: str = "main",
    event: str = "push",
    actor: str = "jonas-r",
    title: str = "chore: release",
    number: int = 88,
    completed_at: datetime | None = None,
    installation: int | None = INSTALLATION_ID,
) -> Json:
    """A `workflow_run` delivery of a run that need not exist on the stand-in."""
    at = completed_at or datetime.now(UTC)
    run = Run(
        repo, run_id, attempt, conclusion, workflow, name, sha or sha_for(f"{repo}/{run_id}"), branch, event, actor,
        title, number, (), at - timedelta(minutes=3), at,
    )  # fmt: skip
    return workflow_run(run, installation=installation)


def secret_object(secret: Secret, *, of_organization: str | None = None) -> Json:
    body: Json = {
        "name": secret.name,
        "created_at": stamp(secret.created_at),
        "updated_at": stamp(secret.updated_at),
    }
    if of_organization is not None:
        body["visibility"] = secret.visibility
        if secret.visibility == "selected":
            body["selected_repositories_url"] = (
                f"{API}/orgs/{of_organization}/actions/secrets/{secret.name}/repositories"
            )
    return body


def file_object(repo: str, path: str, text: str, encoded: str) -> Json:
    return {
        "name": path.rsplit("/", 1)[-1],
        "path": path,
        "sha": (git_sha := blob_sha(text)),
        "size": len(text.encode()),
        "url": f"{API}/repos/{repo}/contents/{path}",
        "html_url": f"{WEB}/{repo}/blob/main/{path}",
        "git_url": f"{API}/repos/{repo}/git/blobs/{git_sha}",
        "download_url": f"https://raw.githubusercontent.com/{repo}/main/{path}",
        "type": "file",
        "encoding": "base64",
        "content": encoded,
    }


def _when(at: datetime | None) -> str | None:
    return stamp(at) if at is not None else None
