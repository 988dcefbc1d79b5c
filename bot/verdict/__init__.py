"""Log cause + evidence + token metadata -> one verdict with its reasons, best first. Pure.

`judge` tries one explanation after another, each a function over a `Case`; the first that the facts bear out is the
verdict. One file per family: tokens, secrets, trust, registry.
"""

from bot.verdict.judge import judge
from bot.verdict.verdict import Verdict

__all__ = ["Verdict", "judge"]
