"""The one plain page at `/`: what this is, its version, whether it is well."""

from __future__ import annotations

from html import escape

from bot import __version__

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tokenwatch</title>
<style>
  :root {{ color-scheme: light dark; }}
  body {{ font: 1rem/1.6 system-ui, sans-serif; max-width: 40rem; margin: 12vh auto; padding: 0 1.25rem; }}
  h1 {{ font-size: 1.5rem; margin-bottom: .25rem; }}
  p.state {{ border-left: .25rem solid {colour}; padding-left: .75rem; }}
  small {{ opacity: .7; }}
</style>
<h1>Tokenwatch</h1>
<p>A Slack bot for the people who release packages: it hears from GitHub that a publish failed or that a token is about
to end, finds out why, and tells the person who can act.</p>
<p class="state">{state}</p>
{todo}<p><small>Version {version}. Type <code>/tokens help</code> in Slack to begin.</small></p>
</html>
"""


def front_page(problem: str | None, missing: list[str]) -> str:
    """`problem`: why it is not well, or None; `missing`: one line per setting that is not there yet (no values)."""
    items = "".join(f"<li>{escape(line)}</li>" for line in missing)
    return _PAGE.format(
        colour="#b3261e" if problem else "#9a6700" if missing else "#1a7f37",
        state=escape(f"Not well: {problem}." if problem else "Not set up yet." if missing else "Up and well."),
        todo=f"<ul>{items}</ul>\n" if items else "",
        version=escape(__version__),
    )
