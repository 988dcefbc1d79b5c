"""What a release proves of a stored secret: not one written again since, deleted since, or read by a run before."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from bot.demo.github import Job
from bot.messages import rotation_card
from bot.rotation import steps
from tests import npm_logs
from tests.rotating import (
    UI,
    WORKFLOW,
    card,
    furnish,
    look,
    made,
    press,
    published,
    rotation,
    shown,
    start,
    stored,
    thread,
)
from tests.running import Running
from tests.test_rotation_amended import in_overlap


async def test_a_secret_that_is_written_again_after_the_proof_has_to_be_proven_again(running: Running) -> None:
    """Perhaps somebody put the old value back: what was published before says nothing of what is stored now."""
    await in_overlap(running)
    running.hands.ahead += timedelta(hours=25)
    stored(running)
    await look(running)
    assert steps.reached(rotation(running)) == "stored"
    said = shown(card(running))
    assert "`NPM_TOKEN` of acme/ui was written again on" in said and "Publish once more" in said
    assert "npm token revoke" not in said
    assert len([line for line in thread(running) if "that says nothing of what is stored now" in line]) == 1
    await look(running)
    assert len([line for line in thread(running) if "that says nothing of what is stored now" in line]) == 1
    published(running, "1.3.0")
    await look(running)
    assert steps.reached(rotation(running)) == "overlap", "and both live on for a day from here"
    assert "that says nothing of what is stored now" not in shown(card(running))
    running.hands.ahead += timedelta(hours=23)
    await look(running)
    assert "can go now" not in " ".join(thread(running))


async def test_a_secret_written_again_after_somebody_went_on_without_a_proof_keeps_both_alive_anew(
    running: Running,
) -> None:
    furnish(running)
    await start(running)
    await made(running)
    stored(running)
    await look(running)
    await press(running, rotation_card.TICK, {"step": "all:prove", "reason": "we release in March"})
    running.hands.ahead += timedelta(hours=20)
    stored(running)
    await look(running)
    assert steps.reached(rotation(running)) == "overlap", "what somebody decided stands"
    running.hands.ahead += timedelta(hours=23)
    await look(running)
    assert "can go now" not in " ".join(thread(running))
    running.hands.ahead += timedelta(hours=2)
    await look(running)
    assert "can go now" in " ".join(thread(running))


async def test_a_second_write_before_the_release_is_when_the_switch_was(running: Running) -> None:
    furnish(running)
    await start(running)
    await made(running)
    stored(running)
    await look(running)
    running.hands.ahead += timedelta(minutes=10)
    published(running)
    running.hands.ahead += timedelta(minutes=10)
    stored(running)
    await look(running)
    assert steps.reached(rotation(running)) == "stored", "what was published in between came with another value"
    published(running, "1.2.0")
    await look(running)
    assert steps.reached(rotation(running)) == "overlap"


async def test_a_secret_that_is_deleted_after_it_was_stored_is_no_longer_stored(running: Running) -> None:
    """The organisation has an older one of that name, which the job reads from then on."""
    await in_overlap(running)
    stored(running, org="acme", at=running.hands.now() - timedelta(days=50))
    running.outside.github.world.secrets["repos/acme/ui"].clear()
    await look(running)
    assert steps.reached(rotation(running)) == "minted"
    assert "is no longer what it reads: the secret was deleted" in shown(card(running))
    running.hands.ahead += timedelta(minutes=5)
    stored(running)
    published(running, "1.4.0")
    await look(running)
    assert steps.reached(rotation(running)) == "overlap"
    assert "is no longer what it reads" not in shown(card(running))


async def test_a_run_that_began_before_the_switch_proves_nothing(running: Running) -> None:
    """GitHub hands out a secret as it was when the run was queued."""
    furnish(running)
    await start(running)
    await made(running)
    begun = running.hands.now() - timedelta(minutes=8)
    stored(running)
    await look(running)
    running.hands.ahead += timedelta(minutes=5)
    published(running)
    over = running.hands.now() + timedelta(minutes=1)
    running.outside.github.add_run(conclusion="success", started_at=begun, completed_at=over)
    await look(running)
    assert steps.reached(rotation(running)) == "stored"
    assert "maybe by a run that had begun before it" in shown(card(running))
    running.hands.ahead += timedelta(minutes=20)
    begun = running.hands.now()
    published(running, "1.2.0")
    running.outside.github.add_run(conclusion="success", started_at=begun, completed_at=begun + timedelta(minutes=3))
    await look(running)
    assert steps.reached(rotation(running)) == "overlap"
    said = shown(card(running))
    assert "1.2.0 is on the registry, published with a token, in a run that began after the switch" in said
    assert "had begun before it" not in said


async def test_which_of_two_runs_published_is_told_by_the_log_that_names_the_version(running: Running) -> None:
    furnish(running)
    await start(running)
    await made(running)
    long_ago = running.hands.now() - timedelta(minutes=50)
    stored(running)
    await look(running)
    running.hands.ahead += timedelta(minutes=5)
    now = running.hands.now()
    published(running, "1.1.0")
    late = now + timedelta(hours=1)
    running.outside.github.add_run(conclusion="success", started_at=long_ago, completed_at=late, number=1)
    await look(running)
    assert steps.reached(rotation(running)) == "stored", "the long one may have been it"
    log = npm_logs.published("@acme/ui", "1.1.0")
    await running.deliver_run(log, conclusion="success", started_at=now, completed_at=now + timedelta(minutes=1))
    await running.worked(1)
    await look(running)
    assert steps.reached(rotation(running)) == "overlap"


async def test_a_job_that_waited_for_approval_reads_its_environments_secret_when_it_starts(running: Running) -> None:
    use = replace(UI, level="environment", environment="npm")
    workflow = WORKFLOW.replace("    permissions", "    environment: npm\n    permissions")
    furnish(running, used_by=(use,), workflow=workflow)
    stored(running, repo="acme/ui", environment="npm", at=running.hands.now() - timedelta(days=90))
    await start(running)
    await made(running)
    begun = running.hands.now() - timedelta(hours=3)
    stored(running, repo="acme/ui", environment="npm")
    await look(running)
    running.hands.ahead += timedelta(minutes=5)
    now = running.hands.now()
    published(running)
    jobs = [
        Job("build", "success", started_at=begun, completed_at=begun + timedelta(minutes=5)),
        Job("publish", "success", started_at=now, completed_at=now + timedelta(minutes=2)),
    ]
    running.outside.github.add_run(
        conclusion="success", started_at=begun, completed_at=now + timedelta(minutes=2), jobs=jobs
    )
    await look(running)
    assert steps.reached(rotation(running)) == "overlap"


async def test_while_nobody_can_say_when_a_run_began_nothing_is_concluded(running: Running) -> None:
    furnish(running)
    await start(running)
    await made(running)
    stored(running)
    await look(running)
    running.hands.ahead += timedelta(minutes=5)
    published(running)
    running.outside.github.fail("/actions/workflows/.*/runs", status=502, times=None)
    await look(running)
    assert steps.reached(rotation(running)) == "stored"
    assert "Could not look at the runs of" in shown(card(running))
    running.outside.github.recover()
    await look(running)
    assert steps.reached(rotation(running)) == "overlap"


async def test_a_version_with_the_token_proves_it_though_a_newer_one_came_by_trust(running: Running) -> None:
    furnish(running)
    await start(running)
    await made(running)
    stored(running)
    await look(running)
    running.hands.ahead += timedelta(minutes=5)
    published(running, "1.1.0")
    running.hands.ahead += timedelta(minutes=5)
    published(running, "2.0.0-beta.1", by="oidc")
    await look(running)
    assert steps.reached(rotation(running)) == "overlap"
    assert "`@acme/ui` 1.1.0 is on the registry, published with a token." in card(running).text + shown(card(running))


async def test_nothing_is_concluded_where_an_expression_names_the_environment_that_may_hide_a_secret(
    running: Running,
) -> None:
    computed = WORKFLOW.replace("    permissions", "    environment: ${{ inputs.to }}\n    permissions")
    furnish(running, workflow=computed)
    stored(running, repo="acme/ui", environment="npm", at=running.hands.now() - timedelta(days=90))
    await start(running)
    await made(running)
    stored(running)
    await look(running)
    assert steps.reached(rotation(running)) == "minted"
    said = shown(card(running))
    assert "An expression names the environment in which acme/ui reads `NPM_TOKEN`" in said and "Tick by hand" in said
    running.outside.github.world.secrets["repos/acme/ui/environments/npm"].clear()
    await look(running)
    assert steps.reached(rotation(running)) == "stored", "no environment has one: it is the repository's"


async def test_a_version_that_no_run_published_may_have_come_from_somebodys_own_machine(running: Running) -> None:
    furnish(running)
    await start(running)
    await made(running)
    stored(running)
    running.outside.github.add_run(conclusion="success", completed_at=running.hands.now() - timedelta(days=2))
    await look(running)
    running.hands.ahead += timedelta(hours=1)
    published(running)
    await look(running)
    assert steps.reached(rotation(running)) == "stored"
    assert "no run of the workflows was under way: perhaps by hand" in shown(card(running))
    running.hands.ahead += timedelta(hours=1)
    now = running.hands.now()
    running.outside.github.add_run(conclusion="success", started_at=now, completed_at=now + timedelta(minutes=2))
    published(running, "1.2.0")
    await look(running)
    assert steps.reached(rotation(running)) == "overlap"
    assert "perhaps by hand" not in shown(card(running))


async def test_a_token_that_is_also_used_elsewhere_may_have_published_there(running: Running) -> None:
    elsewhere = replace(UI, repo="acme/tools", workflow="Jenkins", secret=None, level="elsewhere")
    furnish(running, used_by=(UI, elsewhere))
    await start(running)
    await made(running)
    stored(running)
    running.outside.github.add_run(conclusion="success", completed_at=running.hands.now() - timedelta(days=2))
    await look(running)
    await press(running, rotation_card.TICK, {"reason": "put into Jenkins"})
    running.hands.ahead += timedelta(hours=1)
    published(running)
    await look(running)
    assert steps.reached(rotation(running)) == "overlap"


async def test_a_run_that_was_over_before_is_not_taken_for_the_one_that_published(running: Running) -> None:
    furnish(running)
    await start(running)
    await made(running)
    stored(running)
    now = running.hands.now()
    minute = timedelta(minutes=1)
    running.outside.github.add_run(conclusion="success", started_at=now - 5 * minute, completed_at=now + 2 * minute)
    await look(running)
    running.hands.ahead += 8 * minute
    now = running.hands.now()
    running.outside.github.add_run(conclusion="success", started_at=now - minute, completed_at=now + minute)
    published(running)
    await look(running)
    assert steps.reached(rotation(running)) == "overlap"
