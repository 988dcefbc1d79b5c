"""What a failure comes down to: a word, a sentence, reasons, advice. Pure.

It never claims more than it knows: "expired 2 days ago" needs a recorded end, "probably" goes with what only points
that way.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.diagnosis.diagnosis import Alternative
from bot.matching import Match
from storage.tokens import Token

LONGEST_SENTENCE = 300

# Verdicts that one stored token explains alone: it fails alike wherever it is used.
DEAD_TOKEN = frozenset({"token-expired", "token-revoked", "token-revoked-early", "token-classic", "token-rejected"})
# Verdicts about what a secret holds, whoever reads it.
OF_A_SECRET = frozenset(
    {"secret-old", "secret-never-updated", "secret-wrong-value", "token-stopped-working", "token-rejected"}
)
# Verdicts that no credential and no trust configuration is to blame for, whatever the log sounded like.
NO_CREDENTIAL = frozenset({"version-exists", "registry-side"})
# Verdicts about the registry as a whole, whichever repository met it.
EVERYWHERE = frozenset({"registry-side"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """`code`: kebab-case word ("token-expired"), the log's cause where nothing explains it further; `sentence`: the
    fact a person reads first, plain text, 300 characters at most.

    `advice`: first step first; `then`: what will stop the publish next once this is mended; `also`: what else it could
    be; `sure`: recorded facts say so, nothing is guessed; `docs`: where to read on, None = where the log's cause says;
    `shared`: the organisation's secret that is behind it, as `organization:acme:NPM_TOKEN`: it fails alike in every
    repository that reads it.
    """

    code: str
    sentence: str
    reasons: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    match: Match = field(default_factory=Match)
    then: tuple[str, ...] = ()
    also: tuple[Alternative, ...] = ()
    sure: bool = False
    docs: str | None = None
    shared: str | None = None

    @property
    def token(self) -> Token | None:
        """The stored token that is dead, when the verdict says that of one: it fails alike wherever it is used."""
        certain = self.match.best is not None and not self.match.guess and not self.match.ties
        return self.match.best.token if self.match.best and certain and self.code in DEAD_TOKEN else None

    @property
    def blames_credential(self) -> bool:
        """Whether a person should look at a credential or a trust configuration, as far as the code tells."""
        return self.code not in NO_CREDENTIAL
