"""Patterns that match every action, shortcut and form: Slack shows a warning for each that nobody acknowledges."""

from __future__ import annotations

import re

# Link buttons and inputs of forms send actions too.
ANY_ACTION = re.compile("")
ANY_SHORTCUT = re.compile("")
ANY_VIEW = re.compile("")
