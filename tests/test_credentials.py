"""What looks like a credential is hidden, everything else stays."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.credentials import MASK, kind_of, mask
from bot.logs import masked

A36 = "aB3" * 12
SECRETS = [
    ("npm token", f"npm_{A36}"),
    ("npm token", f"npms_{A36}"),
    ("GitHub token", f"ghp_{A36}"),
    ("GitHub token", f"ghs_{A36}.{A36}"),
    ("GitHub token", f"github_pat_{A36}"),
    ("GitLab token", f"glpat-{A36[:20]}"),
    ("Slack token", "xoxb-1234567890-abcdefghij"),
    ("Slack token", "xapp-1-A0B1C2-1234567890"),
    ("PyPI token", f"pypi-{A36}"),
    ("RubyGems key", "rubygems_" + "0a1b2c3d" * 6),
    ("crates.io token", "cio" + A36[:32]),
    ("Docker Hub token", f"dckr_pat_{A36[:27]}"),
    ("JWT", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJyZXBvIn0.c2lnbmF0dXJl"),
]


@pytest.mark.parametrize(("kind", "secret"), SECRETS)
@pytest.mark.parametrize("around", ["{}", "token {} end", "'{}'", "X={}", "https://x?t={}", "[{}]"])
def test_a_credential_is_hidden_wherever_it_stands(kind: str, secret: str, around: str) -> None:
    hidden, found = mask(around.format(secret))
    assert secret not in hidden and MASK in hidden
    assert found >= 1
    assert kind_of(around.format(secret)) is not None


@pytest.mark.parametrize(
    "line",
    [
        "//registry.npmjs.com/:_authToken=0f8e1d2c-1111-2222-3333-444455556666",
        '_auth = "dXNlcjpwYXNzd29yZA=="',
        "//host/:_password=c2VjcmV0c2VjcmV0",
        "Authorization: Bearer ZjU5YThkOTdmYzg2N2VjYjE1OGM0ZDAy",
        "authorization: Basic dXNlcjpwYXNzd29yZA==",
        "git clone https://bot:s3cretpass@github.com/acme/ui",
        "https://x-access-token:v1.0123456789abcdef@github.com/acme/ui",
        '  "token": "YTFiNDA4M2VkODcxNzc5YTJlZmE1YzUz",',
        "NPM_TOKEN=0f8e1d2c-1111-2222-3333-444455556666",
        "TWINE_PASSWORD: hunter2hunter2",
    ],
)
def test_what_a_name_gives_away_is_hidden(line: str) -> None:
    hidden, found = mask(line)
    assert found == 1
    assert hidden.count(MASK) == 1


@pytest.mark.parametrize(
    "line",
    [
        "NODE_AUTH_TOKEN: ***",
        "NODE_AUTH_TOKEN: XXXXX-XXXXX-XXXXX-XXXXX",
        "NODE_AUTH_TOKEN:",
        "Failed to replace env in config: ${NPM_TOKEN}",
        "//registry.npmjs.com/:_authToken=${NPM_TOKEN}",
        "An authorization header was used: Bearer npm_[hidden]",
        "https://x-access-token:[secure]@github.com/acme/ui",
        "delivery 0f8e1d2c-1111-2222-3333-444455556666",
        "(staged with id 5e95c728-6b06-4316-a01e-b93a1a2e9442)",
        "npm error 404 Not Found - PUT https://registry.npmjs.com/@acme%2fui - Not found",
        "Unable to authenticate, need: Basic, Bearer",
        "the GITHUB_TOKEN secret is missing",
        "npm_lifecycle_event=prepublishOnly",
        "+ npm_package@1.0.0",
    ],
)
def test_what_is_no_credential_stays(line: str) -> None:
    assert mask(line) == (line, 0)
    assert kind_of(line) is None


def test_a_variable_named_as_a_secret_is_hidden_but_no_proof_of_one() -> None:
    """People write such lines about tokens; refusing them would be wrong, printing them too."""
    assert kind_of("NPM_TOKEN: rotated by bob") is None


@given(st.text())
def test_masking_is_done_once(text: str) -> None:
    hidden, _ = mask(text)
    assert mask(hidden)[0] == hidden


PIECES = st.sampled_from(
    [
        *(secret for _, secret in SECRETS),
        "Bearer",
        "_authToken=",
        "NPM_TOKEN:",
        "--otp",
        "***",
        "xxxxxxxxxxxxxxxxxxxx",
        "[REDACTED]",
        "-----BEGIN PRIVATE KEY-----",
        "https://bot:s3cretpass@github.com/a/b",
        "://x:",
        "@acme/ui",
        "-",
        '"',
    ]
)
TEXTS = st.lists(PIECES, max_size=3).map(" ".join)


@given(st.dictionaries(st.sampled_from("abcdef"), TEXTS | st.lists(TEXTS, max_size=2)))
@settings(max_examples=500)
def test_a_line_of_our_log_hides_in_each_of_its_texts_what_that_text_alone_would(event: dict[str, Any]) -> None:
    """One search over all of them must not miss what a search in one of them finds, whatever stands before it."""
    alone = {key: mask(value if isinstance(value, str) else repr(value))[0] for key, value in event.items()}
    assert masked(None, "info", dict(event)) == alone
