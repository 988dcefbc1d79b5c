"""The ways things go wrong, each with a machine-readable reason that becomes a metric label and a log field."""


class TokenwatchError(Exception):
    """Base of the expected errors. `reason` is a kebab-case word; the message is a sentence without secrets."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class TryAgain(TokenwatchError):
    """It may work later: the network, a rate limit, a log that is not there yet.

    `after_s`: seconds the other side asked us to wait, or None to let the inbox choose with growth and jitter.
    """

    def __init__(self, reason: str, message: str, after_s: float | None = None) -> None:
        super().__init__(reason, message)
        self.after_s = after_s


class GiveUp(TokenwatchError):
    """It will not work however often it is tried: the run is gone, the payload makes no sense."""


class TellUser(TokenwatchError):
    """A person asked for something that cannot be done; the message is one sentence meant for them."""

    def __init__(self, message: str, reason: str = "refused") -> None:
        super().__init__(reason, message)
