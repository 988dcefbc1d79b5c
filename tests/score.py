"""How well the diagnosis does on labelled logs: `python -m tests.score [DIR...]`, each DIR with a `cases.jsonl`.

One family in four (by a hash of its name) is held out: rules are tuned on the others, and both figures are printed, so
that a rule made for one log shows.
"""

# ruff: noqa: T201 - a report is printed
from __future__ import annotations

import argparse
import json
import sys
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.diagnosis.diagnosis import Diagnosis
from bot.diagnosis.engine import diagnose
from bot.diagnosis.rule import AUTH_CAUSES

SHARED = Path(__file__).parents[2] / "shared"
Case = dict[str, Any]


def is_held_out(family: str) -> bool:
    """Whether a family of logs is kept away from tuning."""
    return zlib.crc32(family.encode()) % 4 == 0


@dataclass(frozen=True, slots=True)
class Scored:
    """One labelled log and what was said about it."""

    case: Case
    said: Diagnosis

    @property
    def exact(self) -> bool:
        return bool(self.said.cause == self.case["cause"])

    @property
    def acceptable(self) -> bool:
        return self.said.cause in {self.case["cause"], *self.case["acceptable"]}

    @property
    def may_be_auth(self) -> bool:
        return bool({self.case["cause"], *self.case["acceptable"]} & AUTH_CAUSES)

    def right(self, field: str) -> bool:
        """Whether a field is as labelled, or as one of its `_ok` values."""
        allowed = [self.case[field], *(self.case.get(f"{field}_ok") or ())]
        return getattr(self.said, field) in allowed

    @property
    def has_evidence(self) -> bool:
        shown = "\n".join(line.text for line in self.said.evidence)
        return all(wanted in shown for wanted in self.case["evidence"])

    @property
    def leaks(self) -> bool:
        text = json.dumps(self.said.to_json(), ensure_ascii=False)
        return any(secret in text for secret in self.case.get("secrets", ()))


def load(directory: Path) -> list[Scored]:
    """Diagnose every log of a directory."""
    scored = []
    for line in (directory / "cases.jsonl").read_text("utf-8").splitlines():
        case = json.loads(line)
        scored.append(Scored(case, diagnose((directory / f"{case['id']}.log").read_bytes())))
    return scored


def share(good: int, total: int) -> str:
    return f"{good}/{total} = {100 * good / total:.1f} %" if total else "none"


def report(title: str, scored: list[Scored]) -> None:
    """Print the figures of a set of logs."""
    total = len(scored)
    print(f"\n{title}: {total} logs, {len({s.case['family'] for s in scored})} families")
    print(f"  cause exact              {share(sum(s.exact for s in scored), total)}")
    print(f"  cause exact or acceptable {share(sum(s.acceptable for s in scored), total)}")
    alarms = [s for s in scored if s.said.auth]
    needed = [s for s in scored if s.case["auth"]]
    print(f"  credential precision     {share(sum(s.may_be_auth for s in alarms), len(alarms))}")
    print(f"  credential recall        {share(sum(s.said.auth for s in needed), len(needed))}")
    for field in ("outcome", "phase", "registry", "package", "version", "code", "tool"):
        print(f"  {field:<24} {share(sum(s.right(field) for s in scored), total)}")
    named = [s for s in scored if s.case["package"]]
    print(f"  package, where there is one {share(sum(s.right('package') for s in named), len(named))}")
    print(f"  evidence                 {share(sum(s.has_evidence for s in scored), total)}")
    print(f"  leaks                    {sum(s.leaks for s in scored)}")
    print(f"  false credential alarms  {sum(not s.may_be_auth for s in alarms)}")


def calibration(scored: list[Scored]) -> None:
    """Print how often each confidence was right: the share that is exact is what it promises."""
    buckets: dict[int, list[Scored]] = defaultdict(list)
    for s in scored:
        buckets[int(round(s.said.confidence * 100) // 10)].append(s)
    print("\nCalibration (confidence: mean said, exact, exact or acceptable)")
    for bucket, found in sorted(buckets.items()):
        mean = sum(s.said.confidence for s in found) / len(found)
        exact, acceptable = sum(s.exact for s in found), sum(s.acceptable for s in found)
        print(f"  {bucket / 10:.1f}  {mean:.2f}  {share(exact, len(found))}  {share(acceptable, len(found))}")


def family_group(case: Case) -> str:
    """What a family is about: its name up to the tool and the framing, which are its last parts."""
    return "/".join(str(case["family"]).split("/")[:2])


def by_family_group(scored: list[Scored]) -> None:
    """Print the figures of each group of families, those with held-out ones marked."""
    groups: dict[str, list[Scored]] = defaultdict(list)
    for s in scored:
        groups[family_group(s.case)].append(s)
    print("\nBy family group (* holds held-out families): exact or acceptable, package")
    for group, found in sorted(groups.items()):
        mark = "*" if any(is_held_out(s.case["family"]) for s in found) else " "
        good, package = sum(s.acceptable for s in found), sum(s.right("package") for s in found)
        print(f"  {mark} {group:<52} {share(good, len(found)):<18} {share(package, len(found))}")


def confusion(scored: list[Scored]) -> None:
    """Print each cause that was not always told, with what was said instead."""
    wrong: dict[str, Counter[str]] = defaultdict(Counter)
    totals: Counter[str] = Counter(s.case["cause"] for s in scored)
    for s in scored:
        if not s.exact:
            wrong[s.case["cause"]][s.said.cause] += 1
    print("\nConfusion (labelled: said instead)")
    for cause, said in sorted(wrong.items()):
        print(f"  {cause} ({totals[cause]}): " + ", ".join(f"{c} {n}" for c, n in said.most_common()))


def misses(scored: list[Scored], details: bool) -> None:
    """Print the logs whose cause is neither exact nor acceptable, or, with details, any field that is wrong."""
    print("\nMisses")
    for s in scored:
        fields = [f for f in ("outcome", "phase", "registry", "package", "version", "code", "tool") if not s.right(f)]
        if not s.acceptable:
            said = f"{s.said.cause} ({s.said.confidence:.2f})"
            print(f"  {s.case['id']} [{s.case['family']}] {s.case['cause']} but said {said}")
        if details and (fields or not s.has_evidence):
            wrong = ", ".join(f"{f} {s.case[f]!r} said {getattr(s.said, f)!r}" for f in fields)
            wanted = (
                ""
                if s.has_evidence
                else f" evidence {s.case['evidence']} said {[e.text[:90] for e in s.said.evidence][:3]}"
            )
            print(f"    {s.case['id']} [{s.case['family']}]: {wrong}{wanted}")


def main(arguments: list[str] | None = None) -> int:
    """The command line of the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directories", nargs="*", type=Path, default=[SHARED / "logs", SHARED / "logs-real"])
    parser.add_argument("--details", action="store_true", help="every wrong field, not only wrong causes")
    parser.add_argument("--tuned-only", action="store_true", help="list misses of the tuned families only")
    parser.add_argument("--hold-out", action="store_true", help="the figures of each group of families")
    options = parser.parse_args(arguments)
    scored: list[Scored] = []
    for directory in options.directories:
        if not (directory / "cases.jsonl").is_file():
            print(f"{directory}: no cases.jsonl", file=sys.stderr)
            return 2
        found = load(directory)
        report(str(directory.name), found)
        scored += found
    tuned = [s for s in scored if not is_held_out(s.case["family"])]
    held = [s for s in scored if is_held_out(s.case["family"])]
    report("Tuned families", tuned)
    report("Held-out families", held)
    report("All", scored)
    calibration(scored)
    if options.hold_out:
        by_family_group(scored)
    confusion(tuned if options.tuned_only else scored)
    misses(tuned if options.tuned_only else scored, options.details)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
