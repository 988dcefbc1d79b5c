"""Is the database on a disk that stays, on one that is gone after a restart, or on one of the network? Pure.

Kinds of file systems as Linux names them in /proc/self/mounts; hosts by the variables that they document.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from bot.doctor.finding import Finding

_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "lustre", "afs", "ncpfs", "beegfs"}
_IN_MEMORY = {"tmpfs", "ramfs"}
_OF_A_CONTAINER = {"overlay", "aufs"}
# Their own disk is thrown away at each restart, whatever it is called; volumes are mounts of their own.
_HOSTS = {
    "DYNO": "Heroku",
    "K_SERVICE": "Cloud Run",
    "RENDER": "Render",
    "FLY_APP_NAME": "Fly",
    "RAILWAY_SERVICE_ID": "Railway",
}
_NO_VOLUMES = {"DYNO", "K_SERVICE"}
_OCTAL = re.compile(r"\\([0-7]{3})")
VOLUME = "Mount a volume and point DATABASE_URL at it, such as sqlite:////data/tokenwatch.db."


def disk_finding(path: str, mounts: str, environment: Mapping[str, str]) -> Finding | None:
    """`path`: absolute; `mounts`: the text of /proc/self/mounts, empty where there is none. None: nothing is wrong."""
    point, kind = _mount_of(PurePosixPath(path), mounts)
    if kind in _NETWORK or kind.startswith(("fuse.sshfs", "fuse.gluster", "fuse.s3", "fuse.gcs", "fuse.rclone")):
        said = f"the database is on a network disk ({kind} at {point}), where locks do not hold"
        return Finding("disk", "wrong", said, "Put it on a disk of this machine.")
    if kind in _IN_MEMORY:
        said = f"the database is in memory ({kind} at {point}): a restart of the machine loses everything"
        return Finding("disk", "warning", said, VOLUME)
    host = next((name for name in _HOSTS if name in environment), None)
    if host in _NO_VOLUMES:
        said = f"{_HOSTS[host]} throws this disk away at each restart, and the database with it"
        return Finding("disk", "warning", said, "Use a host with a volume, or restore a copy at start: docs/hosts.md.")
    if kind in _OF_A_CONTAINER or (host and point == "/"):
        where = _HOSTS.get(host or "", "the container")
        said = f"the database is on the disk of {where} itself, which is gone when a new one takes its place"
        return Finding("disk", "warning", said, VOLUME)
    if path.startswith(("/tmp/", "/var/tmp/", "/dev/shm/")):  # noqa: S108 - looked for, not written to
        return Finding("disk", "warning", "the database is among temporary files, which get cleaned up", VOLUME)
    return None


def _mount_of(path: PurePosixPath, mounts: str) -> tuple[str, str]:
    """The mount that holds the path, and its kind: the longest that fits, the last of equals."""
    best, kind = "", ""
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[1])
        if path.is_relative_to(point) and len(point) >= len(best):
            best, kind = point, fields[2]
    return best, kind
