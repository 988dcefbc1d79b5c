"""`rotations list|show`: what is under way, with its proofs and history, as text and as JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.rotation import amending, steps
from storage import audit, rotations, tokens
from storage.database import Database
from storage.rotations import Done, Note
from storage.tokens import Token, Use

ROOT = Path(__file__).parent.parent
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "COLUMNS": "200", "DATABASE_URL": "sqlite:///x.db"}
    return subprocess.run(
        [sys.executable, "-m", "bot", "rotations", *arguments],
        cwd=folder, env=env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    db = Database.open(f"sqlite:///{tmp_path / 'x.db'}")
    use = Use("acme/ui", "release.yml", "NPM_TOKEN")
    token = db.write_now(tokens.add, Token(name="npm-acme-ci", packages=("@acme/ui",), used_by=(use,)), NOW)
    made = steps.planned(
        token, path="token", owner="U1", second="U2", started_by="U1", now=NOW, new_name="new", packages=("@acme/ui",)
    )
    made = steps.tick(made, "mint", "", Done(NOW, "said", "U1", "made it by hand"), NOW)
    stored = db.write_now(rotations.add, made, look_at=NOW)
    db.write_now(rotations.note, stored.id, Note("look:x", "wrong", "written at the wrong level", NOW))
    db.write_now(audit.record, at=NOW, who="U1", action="rotation.start", subject="rotation:1", details="token")
    cancelled = steps.cancel(steps.planned(token, path="token", owner="U1", started_by="U1", now=NOW), "U1", "no", NOW)
    db.write_now(rotations.add, cancelled, look_at=NOW + timedelta(days=1))
    db.close()
    return tmp_path


def test_list_shows_what_is_under_way_and_with_all_what_ended(filled: Path) -> None:
    done = run(filled, "list")
    assert done.returncode == 0, done.stderr
    assert "npm-acme-ci" in done.stdout and "store the new token in 1 place" in done.stdout
    assert "cancelled" not in done.stdout
    assert "cancelled" in run(filled, "list", "--all").stdout
    lines = [json.loads(line) for line in run(filled, "list", "--all", "--json").stdout.splitlines()]
    assert [line["state"] for line in lines] == ["cancelled", "minted"]


def test_show_tells_each_step_with_its_proof_and_the_history(filled: Path) -> None:
    done = run(filled, "show", "1")
    assert done.returncode == 0, done.stderr
    for expected in ("[x] Make the new token", "said by U1", "made it by hand", "wrong level", "rotation.start"):
        assert expected in done.stdout, expected
    shown = json.loads(run(filled, "show", "1", "--json").stdout)
    mint, store = shown["steps"][:2]
    assert (mint["proof"], mint["who"], mint["what"]) == ("said", "U1", "made it by hand")
    assert (store["step"], store["proof"]) == ("store", None)
    assert [row["action"] for row in shown["history"]] == ["rotation.start"]
    assert [note["text"] for note in shown["notes"]] == ["written at the wrong level"]
    assert shown["bypass_2fa"] is False and shown["bypass_approved_by"] is None


def test_show_names_who_approved_a_bypass(filled: Path) -> None:
    db = Database.open(f"sqlite:///{filled / 'x.db'}")
    token = db.write_now(tokens.add, Token(name="with-bypass"), NOW)
    planned = steps.planned(
        token, path="token", owner="U1", started_by="U1", now=NOW, second="U2", bypass=True, bypass_reason="nightly"
    )
    waiting = db.write_now(rotations.add, planned, look_at=NOW)
    assert "bypasses two-factor, not approved yet: nightly" in run(filled, "show", str(waiting.id)).stdout
    db.write_now(rotations.change, replace(amending.approve(planned, "U2", NOW), id=waiting.id))
    db.close()
    assert "bypasses two-factor, approved by U2, 2026" in run(filled, "show", str(waiting.id)).stdout
    shown = json.loads(run(filled, "show", str(waiting.id), "--json").stdout)
    assert (shown["bypass_2fa"], shown["bypass_reason"], shown["bypass_approved_by"]) == (True, "nightly", "U2")
    assert shown["bypass_approved_at"].startswith("2026-")


def test_the_audit_export_has_every_change(filled: Path) -> None:
    env = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "DATABASE_URL": "sqlite:///x.db"}
    done = subprocess.run(
        [sys.executable, "-m", "bot", "tokens", "audit", "--changes", "--json"],
        cwd=filled, env=env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (row,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (row["who"], row["action"], row["subject"]) == ("U1", "rotation.start", "rotation:1")


def test_one_that_is_not_there_and_bad_numbers_are_one_line(filled: Path, tmp_path: Path) -> None:
    done = run(filled, "show", "99")
    assert (done.returncode, done.stderr) == (1, "Error: there is no rotation 99\n")
    for bad in ("x", "0", "-1", "9" * 30):
        done = run(filled, "show", bad)
        assert done.returncode == 2
        assert done.stderr.startswith("Error: ") and "Traceback" not in done.stderr


def test_an_empty_store_says_so(tmp_path: Path) -> None:
    assert run(tmp_path, "list").stdout == "No rotation is under way.\n"
    assert run(tmp_path, "list", "--all").stdout == "No rotations.\n"
