"""Which stored token was it: scored candidates, each with its reasons. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from storage.tokens import Token


@dataclass(frozen=True, slots=True)
class PublishAttempt:
    """What is known of the job that used the token. `secrets`: names the publish step reads, best first, or empty."""

    repo: str
    workflow: str
    registry: str
    packages: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored token that may be the one, with why: ("secret NPM_TOKEN of acme/ui", "may publish @acme/*")."""

    token: Token
    score: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """The best candidate if there is one. `guess`: nothing ties it to this workflow; `ties`: others as good."""

    best: Candidate | None = None
    guess: bool = False
    ties: tuple[Candidate, ...] = ()
