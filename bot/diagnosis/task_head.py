"""The head of an Azure DevOps task: a table between two rules, the script if it is one, and a rule again. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import re2

MOST_SCRIPT = 8000  # characters that tell what a script is for
_RULED = re2.compile(r"^={20,}")
_SILENT = frozenset({"", "Generating script."})


@dataclass(slots=True)
class TaskHead:
    """Reads what follows `##[section]Starting: TITLE`, line by line."""

    part: int = 1  # 1 before the table, 2 in it, 3 behind it, 4 in the script, 0 over
    script: str = ""

    def takes(self, text: str) -> bool:
        """Whether the line belongs to the head."""
        ruled = bool(_RULED.search(text))
        if self.part == 1 and not ruled:
            self.part = 3  # a title alone
        if self.part in (1, 2):
            self.part += ruled
        elif self.part == 3 and text == "Script contents:":
            self.part = 4
        elif self.part == 3 and text not in _SILENT:
            self.part = 0
            return ruled
        elif self.part == 4 and (ruled or len(self.script) > MOST_SCRIPT):
            self.part = 0
        elif self.part == 4:
            self.script += text + "\n"
        return True
