"""Real file systems on loop devices, in a mount namespace of their own, and what takes their power away."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

    from tests.faults.crash.zygote import Zygote

__all__ = ["DISKS", "SMALL", "Disk", "Kind", "why_not"]

_MIB = 1 << 20


@dataclass(frozen=True)
class Kind:
    """A file system, as it is made and mounted; ``cut`` is how its power is taken away.

    ``ioctl`` shuts the file system down without writing out its log. ``image`` copies the device as it is at
    that instant: for a file system that has no such call.
    """

    system: str
    options: str = "defaults"
    size: int = 64 * _MIB
    cut: str = "ioctl"


SMALL = {
    "tmpfs": Kind("tmpfs", "size=4m"),
    "ext4": Kind("ext4", size=4 * _MIB),
    "xfs": Kind("xfs", size=300 * _MIB),
}
DISKS = {
    "ext4": Kind("ext4"),
    "ext4 writeback": Kind("ext4", "data=writeback"),
    "ext4 journal": Kind("ext4", "data=journal"),
    "ext4 image": Kind("ext4", size=16 * _MIB, cut="image"),
    "xfs": Kind("xfs", size=300 * _MIB),
    "btrfs image": Kind("btrfs", size=128 * _MIB, cut="image"),
}


@cache
def why_not(system: str) -> str:
    """Say why such a file system cannot be used here; nothing where it can."""
    if system != "tmpfs" and shutil.which(f"mkfs.{system}") is None:
        return f"mkfs.{system} is not installed"
    if system == "tmpfs":
        script = 'mount -t tmpfs tmpfs "$0"'
    else:
        size = max(kind.size for kind in DISKS.values() if kind.system == system)
        script = (
            f'truncate -s {size} "$0/image" && mkfs.{system} -q "$0/image" && mount -o loop "$0/image" "$0"'
        )
    with tempfile.TemporaryDirectory() as folder:
        command = ["unshare", "--mount", "sh", "-c", script, folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=150)
    return f"{system} cannot be mounted here: {done.stderr.strip()[-200:]}" if done.returncode else ""


class Disk:
    """A file system in an image; its power can be cut, and it can be started again.

    The image stays attached to one loop device, which the hand holds: to attach it takes longer than to mount it.
    """

    def __init__(self, zygote: Zygote, folder: Path, kind: Kind) -> None:
        self.kind = kind
        self.place = folder / "mounted"
        self._image, self._copy = folder / "image", folder / "image as cut"
        # A program that mounts, and reaches the files, in the namespace of the others, for as long as the disk lasts.
        self.hand = zygote.start()
        self.place.mkdir()
        if kind.system == "tmpfs":
            self.hand.do("run", "mount", "-t", "tmpfs", "-o", kind.options, "tmpfs", str(self.place))
            return
        with self._image.open("wb") as image:
            image.truncate(kind.size)
        subprocess.run([f"mkfs.{kind.system}", "-q", str(self._image)], check=True, capture_output=True)
        self._attach()

    def cut(self) -> None:
        """Take the power away: what was not synchronised is lost."""
        if self.kind.cut == "ioctl":
            self.hand.do("cut", str(self.place))
        else:
            self.hand.do("copy", str(self._image), str(self._copy))

    def restart(self) -> None:
        """Give the power back: the file system mends itself from its log. Nobody may have a file open there."""
        self.hand.do("unmount", str(self.place))
        if self.kind.cut == "image":
            self.hand.do("detach")
            self._copy.replace(self._image)
            self._attach()
        else:
            self._mount()

    def _attach(self) -> None:
        self.hand.do("attach", str(self._image))
        self._mount()

    def _mount(self) -> None:
        options = "" if self.kind.options == "defaults" else self.kind.options
        self.hand.do("mount", self.kind.system, str(self.place), options)

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Take the file system away."""
        self.hand.ask("run", "umount", "--lazy", str(self.place))
        self.hand.__exit__()
