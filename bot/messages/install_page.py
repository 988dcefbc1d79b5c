"""What a person sees who installs the Slack app in a workspace: it is done, or why not. Plain HTML, no files."""

from __future__ import annotations

from html import escape

from bot.messages.setup_page import page


def installed(workspace: str, channel: str | None) -> str:
    """`channel`: id of the channel for cards, None when none is set yet."""
    where = (
        "<li>Type <code>/invite @Tokenwatch</code> in the channel for cards.</li>"
        if channel
        else "<li>Tell whoever runs the bot the id of the channel for cards (at the end of the channel's details), and "
        "type <code>/invite @Tokenwatch</code> there.</li>"
    )
    return page(
        "Tokenwatch is installed",
        f"""<p class="well">It is in {escape(workspace)} now, and works from this moment on.</p>
<ol>
  {where}
  <li>Type <code>/tokens help</code> anywhere in Slack.</li>
</ol>""",
    )


def not_installed(problem: str) -> str:
    return page(
        "Tokenwatch is not installed",
        f"""<p class="wrong" role="alert">{escape(problem)}</p>
<p><a href="/slack/install">Begin again</a></p>""",
    )
