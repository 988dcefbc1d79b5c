"""Runs a command and prints its peak resident memory on standard error.

A process of its own, and a small one: until a child has become another program, its parent's memory counts as its own.
"""

from __future__ import annotations

import resource
import subprocess
import sys

if __name__ == "__main__":
    ended = subprocess.run(sys.argv[1:], check=False).returncode
    sys.stderr.write(f"\n{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss}\n")
    sys.exit(ended)
