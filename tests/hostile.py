"""Hypothesis strategies for what the outside may send: long, invisible, reversed, and dressed up as Slack markup."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from bot.diagnosis.diagnosis import Alternative, EvidenceLine, PackageOutcome
from bot.incidents import Facts
from storage.awaited import Awaited
from storage.incidents import Incident
from storage.tokens import Token, Use

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
SNIPPETS = (
    "<!channel>", "<!here>", "<@U1>", "<#C1|general>", "<!subteam^S1>", "<https://evil.example|npm>", "@channel",
    "<!date^0^{date}|x>", "&lt;!channel&gt;", "*bold*", "_italic_", "~strike~", "`", "``` ", "```code```", ":x:",
    ":skin-tone-2:", "> quote", "\n> quote", "NPM_TOKEN", "__init__", "a*b*c", "https://evil.example/?a=1&b=2", "&",
    "&amp", "&&&&", "<<<<", "\x00", "\x1b[31m", "\u202eevil\u202c", "\u2066", "\u200b", "\u200d", "\ufeff", "\ud800",
    "\udfff\ud800", "\u2028", "\r\n", "\t", "\U0001f469\u200d\U0001f467", "\U0001f600" * 40, "\u05e2\u05d1",
    "a\u0301" * 30, "x" * 300, "@acme/ui", "|", "^", "{", "}", " ",
)  # fmt: skip

text = st.one_of(
    st.lists(st.sampled_from(SNIPPETS), min_size=1, max_size=12).map("".join),
    st.text(max_size=60),
    st.text(alphabet=st.characters(), max_size=40),
    st.builds(lambda piece: (piece * 5000)[:5000], st.sampled_from(SNIPPETS)),
)
optional_text = st.none() | text
texts = st.lists(text, max_size=6).map(tuple)
moment = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)).map(lambda naive: naive.replace(tzinfo=UTC))
near = st.timedeltas(timedelta(days=-100), timedelta(days=100)).map(lambda delta: NOW + delta)
user = st.none() | st.just("U012AB3CD") | text
USERS = frozenset({"U012AB3CD", "U1"})

uses = st.builds(
    Use, text, optional_text, optional_text, st.sampled_from(("repository", "elsewhere")) | text, optional_text
)
tokens = st.builds(
    Token,
    name=text,
    registry=st.just("npm") | text,
    kind=st.sampled_from(("granular", "trusted-publisher")) | text,
    permission=st.just("read-write") | optional_text,
    packages=texts,
    scopes=texts,
    orgs=texts,
    cidr=texts,
    bypass_2fa=st.none() | st.booleans(),
    bypass_reason=optional_text,
    hint=optional_text,
    created_at=st.none() | moment,
    expires_at=st.none() | moment | near,
    expires_computed=st.booleans(),
    last_used_at=st.none() | moment,
    revoked_at=st.none() | moment,
    owner=user,
    backup_owner=user,
    note=text,
    used_by=st.lists(uses, max_size=6).map(tuple),
    id=st.integers(1, 50),
)
packages = st.builds(PackageOutcome, text, optional_text, st.sampled_from(("published", "failed", "staged")) | text)
facts = st.builds(
    Facts,
    sentence=text,
    reasons=texts,
    advice=texts,
    evidence=st.lists(st.builds(EvidenceLine, st.integers(1, 10**7), text), max_size=5).map(tuple),
    also=st.lists(st.builds(Alternative, text, st.floats(0, 1), text), max_size=5).map(tuple),
    packages=st.lists(packages, max_size=15).map(tuple),
    code=optional_text,
    auth=st.booleans(),
    workflow_name=optional_text,
    run_url=optional_text,
    run_number=st.none() | st.integers(0, 10**9),
    attempt=st.integers(1, 99),
    branch=optional_text,
    actor=optional_text,
    token_reasons=texts,
    token_guess=st.booleans(),
    token_ties=texts,
    missing=texts,
    docs=optional_text,
    can_rerun=st.booleans(),
    seen_late=st.booleans(),
    other_jobs=texts,
    then=texts,
    unseen=st.booleans(),
    before=texts,
)
incidents = st.builds(
    Incident,
    id=st.integers(1, 10**12),
    fingerprint=text,
    state=st.sampled_from(("open", "claimed", "snoozed", "resolved")),
    registry=optional_text,
    cause=st.sampled_from(("token-rejected", "registry-outage", "oidc-failed")) | text,
    verdict=text,
    token_id=st.none() | st.integers(1, 9),
    repo=text,
    workflow=text,
    package=optional_text,
    version=optional_text,
    occurrences=st.integers(1, 10**6),
    opened_at=moment,
    last_seen_at=moment,
    claimed_by=user,
    claimed_at=st.none() | moment,
    snoozed_by=user,
    snoozed_until=st.none() | moment,
    snooze_reason=optional_text,
    resolved_at=st.none() | moment,
    resolved_by=user,
    resolution=optional_text,
    channel=optional_text,
    card_key=text,
    facts=st.just(""),
    note=optional_text,
    muted_by=st.none() | st.integers(1, 9),
    nudged_at=st.none() | moment,
    escalated_at=st.none() | moment,
    over_at=st.none() | moment,
)
awaited = st.builds(
    Awaited,
    incident_id=st.just(1),
    repo=st.just("acme/ui") | text,
    workflow=st.just(".github/workflows/release.yml") | text,
    package=optional_text,
    version=optional_text,
    state=st.sampled_from(("failed", "unclear", "staged", "live", "published", "green", "moved")) | text,
    times=st.integers(0, 10**6),
    run_id=st.none() | st.integers(1, 10**12),
    run_url=optional_text,
    since=moment,
    failed_at=moment,
    settled_at=st.none() | moment,
    how=optional_text,
    tag=optional_text,
)
