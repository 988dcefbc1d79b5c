"""Which kind of disk the database lies on, read off the mounts and what hosts say of themselves."""

from __future__ import annotations

import pytest

from bot.doctor.disks import disk_finding

MOUNTS = r"""
/dev/sda1 / ext4 rw,relatime 0 0
tmpfs /run tmpfs rw 0 0
nas:/bots /mnt/nas nfs4 rw 0 0
//nas/b /mnt/with\040space cifs rw 0 0
/dev/sdb1 /mnt/nas/really/local xfs rw 0 0
overlay /var/box overlay rw 0 0
host /mnt/mac 9p rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "environment", "state", "word"),
    [
        ("/srv/bot/data/tokenwatch.db", {}, None, ""),
        ("/run/tokenwatch.db", {}, "warning", "memory"),
        ("/mnt/nas/tokenwatch.db", {}, "wrong", "network"),
        ("/mnt/with space/tokenwatch.db", {}, "wrong", "network"),
        ("/mnt/mac/tokenwatch.db", {}, "wrong", "network"),
        ("/mnt/nas/really/local/tokenwatch.db", {}, None, ""),
        ("/mnt/nasty/tokenwatch.db", {}, None, ""),
        ("/var/box/data/tokenwatch.db", {}, "warning", "container"),
        ("/app/data/tokenwatch.db", {"DYNO": "web.1"}, "warning", "Heroku"),
        ("/app/data/tokenwatch.db", {"FLY_APP_NAME": "bot"}, "warning", "Fly"),
        ("/mnt/nas/really/local/tokenwatch.db", {"FLY_APP_NAME": "bot"}, None, ""),
        ("/tmp/tokenwatch.db", {}, "warning", "temporary"),
    ],
)
def test_the_kind_of_disk_is_read_off_the_mounts(
    path: str, environment: dict[str, str], state: str | None, word: str
) -> None:
    finding = disk_finding(path, MOUNTS, environment)
    assert (finding.state if finding else None) == state
    assert finding is None or (word in finding.said and finding.mend)


@pytest.mark.parametrize("mounts", ["", "\0\0\n \n/dev", "x y z"])
def test_a_machine_that_does_not_tell_its_mounts_has_no_finding(mounts: str) -> None:
    assert disk_finding("/srv/tokenwatch.db", mounts, {}) is None
