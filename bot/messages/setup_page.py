"""The pages of `/setup`: making the GitHub App with one click, and what came of it. Plain HTML, no files."""

from __future__ import annotations

from html import escape

from bot.github.app import AppCredentials, Outward

_FRAME = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
  :root {{ color-scheme: light dark; }}
  body {{ font: 1rem/1.6 system-ui, sans-serif; max-width: 42rem; margin: 6vh auto; padding: 0 1.25rem; }}
  h1 {{ font-size: 1.5rem; margin-bottom: .25rem; }}
  label {{ display: block; margin-top: 1rem; font-weight: 600; }}
  label.choice {{ display: flex; gap: .5rem; align-items: baseline; font-weight: normal; margin-top: .5rem; }}
  fieldset {{ border: 0; padding: 0; margin: 1rem 0 0; }}
  legend {{ font-weight: 600; padding: 0; }}
  input[type=text], input[type=url] {{ font: inherit; width: 100%; padding: .4rem .5rem; box-sizing: border-box; }}
  button {{ font: inherit; font-weight: 600; padding: .5rem 1rem; margin-top: 1.25rem; cursor: pointer; }}
  small {{ opacity: .75; display: block; font-weight: normal; }}
  pre {{ white-space: pre-wrap; overflow-wrap: anywhere; padding: .75rem; border: 1px solid color-mix(in srgb, currentColor 30%, transparent); }}
  p.wrong {{ border-left: .25rem solid #b3261e; padding-left: .75rem; }}
  p.well {{ border-left: .25rem solid #1a7f37; padding-left: .75rem; }}
</style>
<h1>{title}</h1>
{body}
</html>
"""  # noqa: E501 - CSS


def ask_for_key(*, wrong: bool) -> str:
    """For whoever came without the key that opens the page, or with a wrong one."""
    said = '<p class="wrong" role="alert">This is not the key.</p>' if wrong else ""
    return page(
        "Set up Tokenwatch",
        f"""{said}
<form method="get" action="/setup">
  <label for="key">Key <small>The bot printed it when it started, in the line &ldquo;no GitHub App yet&rdquo;.
  Each start has a new one.</small></label>
  <input type="text" id="key" name="key" required autocomplete="off" spellcheck="false" autofocus>
  <button>Open</button>
</form>""",
    )


def choose(key: str, address: str, missing: list[str], problem: str | None = None, organization: str = "") -> str:
    """`address`: the guess where GitHub reaches the bot, "" for none; `problem`: what was wrong with the last try."""
    said = f'<p class="wrong" role="alert">{escape(problem)}</p>' if problem else ""
    items = "".join(f"<li>{escape(line)}</li>" for line in missing)
    rest = f"<p>What else is not set yet, for afterwards:</p>\n<ul>{items}</ul>" if items else ""
    return page(
        "Make the GitHub App",
        f"""<p>GitHub makes an App with the permissions and events that the bot needs: to read runs, logs, workflow
files and when secrets were last written, never their values. You see them all there before you say yes.</p>
{said}
<form method="post" action="/setup">
  <input type="hidden" name="key" value="{escape(key)}">
  <label for="organization">Organisation <small>As in github.com/ORGANISATION. Empty: your own account.</small></label>
  <input type="text" id="organization" name="organization" value="{escape(organization)}" autocomplete="off"
    spellcheck="false" maxlength="39">
  <label for="address">Address under which GitHub reaches this bot
  <small>Empty if there is none: the bot then asks GitHub for what it missed, see SWEEP_EVERY.</small></label>
  <input type="url" id="address" name="address" value="{escape(address)}" placeholder="https://bot.example.com">
  <label class="choice"><input type="checkbox" name="rerun" value="yes"> <span>The card may re-run failed jobs
  (the App gets <code>actions: write</code>)</span></label>
  <fieldset>
    <legend>The App's key and webhook secret</legend>
    <label class="choice"><input type="radio" name="keep" value="file" checked> <span>stay in a file beside the
    database, which only the bot may read</span></label>
    <label class="choice"><input type="radio" name="keep" value="show"> <span>are shown once, to paste into the
    settings of the host (choose this where the disk does not survive a restart)</span></label>
  </fieldset>
  <button>Make the App on GitHub</button>
</form>
{rest}""",
    )


def go_on(outward: Outward, nonce: str) -> str:
    """Sends itself to GitHub; `nonce` allows the one line of script that spares a second click."""
    return page(
        "On to GitHub",
        f"""<form method="post" action="{escape(outward.action)}">
  <input type="hidden" name="manifest" value="{escape(outward.manifest)}">
  <button>Go on to GitHub</button>
</form>
<script nonce="{escape(nonce)}">document.forms[0].submit();</script>""",
    )


def kept(made: AppCredentials) -> str:
    return page(
        "The App is there",
        f"""<p class="well">App {escape(made.app_id)}: its key and its webhook secret are in a file beside the
database, and the bot uses them from now on. This page is closed for good.</p>
{_next(made)}""",
    )


def shown(made: AppCredentials, *, wanted: bool) -> str:
    """`wanted`: as chosen; else the file could not be written."""
    why = (
        "As you chose, nothing was kept."
        if wanted
        else "The file beside the database could not be written, so nothing was kept."
    )
    lines = "\n".join(
        (
            f"GITHUB_APP_ID={made.app_id}",
            f"GITHUB_WEBHOOK_SECRET={made.webhook_secret}",
            'GITHUB_PRIVATE_KEY="{}"'.format(made.private_key.strip().replace("\n", "\\n")),
        )
    )
    return page(
        "The App is there",
        f"""<p class="{"well" if wanted else "wrong"}">{why} Copy these three lines into the settings of the host now:
GitHub hands them out once, and this page does not come back.</p>
<pre>{escape(lines)}</pre>
<p>Then start the bot again.</p>
{_next(made)}""",
    )


def failed(problem: str, *, again: bool) -> str:
    """`again`: loading the page anew may help."""
    more = " Load this page again in a moment: the code stays good for an hour." if again else ""
    return page(
        "The App is not set up",
        f"""<p class="wrong" role="alert">{escape(problem)}{more}</p>
<p><a href="/setup">Begin again</a>. An App that was made already can be deleted in GitHub's settings.</p>""",
    )


def _next(made: AppCredentials) -> str:
    shown_at = escape(made.page)
    install = (
        f'<a href="{shown_at}/installations/new">Install the App</a>' if shown_at.startswith("http") else "Install it"
    )
    return f"""<h2>Next</h2>
<ol>
  <li>{install} on the repositories that publish.</li>
  <li>Run <code>python -m bot check</code>: it says what is still missing.</li>
</ol>"""


def page(title: str, body: str) -> str:
    """A page in the looks of all of these. `body`: HTML."""
    return _FRAME.format(title=title, body=body)
