"""The local store on disks that report errors, take little at a time, or are left by a killed program."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from lattice_addons.storage import LocalStore
from tests.faults.injection import HEAD, injected, names, no_strace, run
from tests.program import clean_environ

if TYPE_CHECKING:
    from pathlib import Path

# Each is done once before the fault, so that the folders are there and their names are durable.
WRITERS = {
    "put": ("store.put('job/one', b'old')", "store.put('job/two', b'x' * 10_000)"),
    "replace": ("store.replace('job/one', b'old')", "store.replace('job/two', b'x' * 10_000)"),
    "create": ("stream('job/one', b'old')", "stream('job/two', b'x' * 10_000)"),
}


def faulty(writer: str, fault: str, folder: Path) -> tuple[list[str], LocalStore]:
    """Write under a fault, then list what is there, then write again; give what was said."""
    first, second = WRITERS[writer]
    source = f"""
store = LocalStore(sys.argv[1] + "/store")
{first}
# fault
attempt(lambda: {second})
print(*below(store.root))
attempt(lambda: {second})
"""
    lines = injected(fault, source, folder)
    return lines, LocalStore(folder / "store")


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("pwrite64", errno.EIO),
        ("pwrite64", errno.ENOSPC),
        ("pwrite64", errno.EDQUOT),
        ("fsync,fdatasync", errno.EIO),
        ("fsync,fdatasync", errno.ENOSPC),
        ("openat", errno.ENOSPC),
    ],
)
def test_an_error_of_the_disk(tmp_path: Path, writer: str, call: str, code: int) -> None:
    """It is raised as ours, nothing of the attempt stays, what was there stays, and the next attempt succeeds."""
    # The first calls after the fault's start are the store's own: it opens two folders, then makes the file.
    when = 3 if call == "openat" else 1
    lines, store = faulty(writer, f"{call}:error={errno.errorcode[code]}:when={when}", tmp_path)
    told, there, again = lines
    assert told.startswith(f"{code} cannot write "), told
    assert there.split() == [".gitignore", "job/one"]
    assert again == "done"
    assert names(store) == ["one", "two"]
    assert store.read("job/one") == b"old"
    assert store.read("job/two") == b"x" * 10_000


@pytest.mark.parametrize("call", ["linkat", "rename,renameat,renameat2"])
def test_an_error_of_giving_the_name(tmp_path: Path, call: str) -> None:
    """The old one is there, or none; no temporary."""
    writer = "put" if call == "linkat" else "replace"
    lines, store = faulty(writer, f"{call}:error=EIO:when=1", tmp_path)
    assert lines[0].startswith(f"{errno.EIO} cannot write ")
    assert lines[1].split() == [".gitignore", "job/one"]
    assert lines[2] == "done"
    assert names(store) == ["one", "two"]


@pytest.mark.parametrize("code", ["EPERM", "EOPNOTSUPP"])
def test_a_file_system_without_hard_links(tmp_path: Path, code: str) -> None:
    """A key is put all the same, and never over another."""
    source = """
store = LocalStore(sys.argv[1] + "/store")
store.put("job/one", b"old")
# fault
attempt(lambda: store.put("job/two", b"x"))
attempt(lambda: store.put("job/one", b"new"))
print(*below(store.root), store.read("job/one"))
"""
    lines = injected(f"linkat:error={code}", source, tmp_path)
    assert lines[0] == "done"
    assert lines[1].startswith(f"{errno.EEXIST} job/one is in ")
    assert lines[2] == ".gitignore job/one job/two b'old'"


@pytest.mark.parametrize("writer", ["put", "create"])
def test_an_error_of_the_folders_fsync_takes_the_key_back(tmp_path: Path, writer: str) -> None:
    """A key whose name may not be durable was not acknowledged, and is not there."""
    when = 2 if writer == "put" else 1
    lines, store = faulty(writer, f"fsync:error=EIO:when={when}", tmp_path)
    assert lines[0].startswith(f"{errno.EIO} cannot write ")
    assert lines[1].split() == [".gitignore", "job/one"]
    assert lines[2] == "done"
    assert names(store) == ["one", "two"]


def test_a_folder_that_cannot_be_synchronised(tmp_path: Path) -> None:
    """Some network file systems refuse it; what they hold is as durable as they make it."""
    lines, store = faulty("put", "fsync:error=EINVAL:when=2", tmp_path)
    assert lines == ["done", ".gitignore job/one job/two", lines[2]]
    assert names(store) == ["one", "two"]


def test_a_file_system_without_locks(tmp_path: Path) -> None:
    """Writing, sweeping and the critical section work; a hold says that it proves nothing."""
    source = """
store = LocalStore(sys.argv[1] + "/store")
# fault
store.put("job/one", b"1")
stream("job/two", b"2")
with store.exclusive("job"):
    held = store.flock_hold("job/one")
print(held.locked, held.valid())
open(store.root + "/job/0123456789ABCDEFGHJKMNPQRS.tmp", "w").close()
print(store.sweep())
os.utime(store.root + "/job/0123456789ABCDEFGHJKMNPQRS.tmp", (0, 0))
print(store.sweep())
"""
    assert injected("flock:error=ENOSYS", source, tmp_path) == ["False True", "0", "1"]


def test_short_writes_are_carried_on(tmp_path: Path) -> None:
    """A disk that takes one byte at a time gets all of them."""
    preload = tmp_path / "short.so"
    code = tmp_path / "short.c"
    code.write_text("""
#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>
ssize_t write(int fd, const void *data, size_t size) { return syscall(SYS_write, fd, data, size > 7 ? 7 : size); }
""")
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(preload), str(code)], check=True)
    source = """
store = LocalStore(sys.argv[1])
store.put("put", bytes(range(256)))
stream("pack", bytes(range(256)) * 9)
"""
    run(["env", f"LD_PRELOAD={preload}"], source, str(tmp_path / "store"))
    store = LocalStore(tmp_path / "store")
    assert store.read("put") == bytes(range(256))
    assert store.read("pack") == bytes(range(256)) * 9


def test_short_reads_are_carried_on(tmp_path: Path) -> None:
    """A disk that gives few bytes at a time gives all of them."""
    store = LocalStore(tmp_path / "store")
    store.put("key", bytes(range(256)) * 100)
    preload = tmp_path / "short.so"
    code = tmp_path / "short.c"
    code.write_text("""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/uio.h>
ssize_t preadv64(int fd, const struct iovec *to, int count, off64_t at) {
    ssize_t (*real)(int, const struct iovec *, int, off64_t) = dlsym(RTLD_NEXT, "preadv64");
    struct iovec one = {to[0].iov_base, to[0].iov_len > 1000 ? 1000 : to[0].iov_len};
    return real(fd, &one, 1, at);
}
ssize_t preadv64v2(int fd, const struct iovec *to, int count, off64_t at, int flags) {
    return preadv64(fd, to, count, at);
}
ssize_t preadv(int fd, const struct iovec *to, int count, off_t at) { return preadv64(fd, to, count, at); }
ssize_t preadv2(int fd, const struct iovec *to, int count, off_t at, int flags) {
    return preadv64(fd, to, count, at);
}
""")
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(preload), str(code), "-ldl"], check=True)
    source = """
store = LocalStore(sys.argv[1])
few = os.preadv(os.open(sys.argv[1] + "/key", 0), [bytearray(5000)], 0)
print(store.read("key") == bytes(range(256)) * 100, few)
"""
    assert run(["env", f"LD_PRELOAD={preload}"], source, store.root) == ["True 1000"]


@pytest.mark.parametrize("writer", WRITERS)
def test_a_kill_at_any_call_leaves_old_or_new(tmp_path: Path, writer: str) -> None:
    """Whichever call of a write it hits; the next process sweeps and writes."""
    if why := no_strace():
        pytest.skip(why)
    _, second = WRITERS[writer]
    second = second.replace("two", "one") if writer == "replace" else second
    program = f"store = LocalStore(sys.argv[1])\n{second}\n"

    def traced(root: Path, log: str, options: str) -> int:
        if writer == "replace":
            LocalStore(root).put("job/one", b"old")
        trace = ["strace", "-f", "--seccomp-bpf", "-qq", "-o", log, "-e", options]
        command = [*trace, sys.executable, "-c", HEAD + program, str(root)]
        done = subprocess.run(command, capture_output=True, check=False, timeout=150, env=clean_environ())
        assert done.returncode in (0, -signal.SIGKILL, 128 + signal.SIGKILL), done.stderr
        return done.returncode

    calls = "write,pwrite64,fsync,fdatasync,linkat,rename,renameat,renameat2,unlink,unlinkat,flock"
    assert traced(tmp_path / "whole", str(tmp_path / "log"), f"trace={calls}") == 0
    counts = Counter(re.findall(r"^\d+ +(\w+)\(", (tmp_path / "log").read_text(), re.MULTILINE))
    assert {"pwrite64", "flock"} < {*counts}
    for call, count in counts.items():
        for when in range(1, count + 1):
            root = tmp_path / f"{call}-{when}"
            assert traced(root, os.devnull, f"inject={call}:signal=KILL:when={when}"), "the kill hit nothing"
            store = LocalStore(root)
            store.sweep()
            there = {key: store.read(key) for key in store.list()}
            if writer == "put":
                assert there in ({}, {"job/two": b"x" * 10_000})
            elif writer == "replace":
                assert there in ({"job/one": b"old"}, {"job/one": b"x" * 10_000})
            else:  # what is written piece by piece is there from its first one on
                assert (b"x" * 10_000).startswith(b"".join(there.values()))
                assert {*there} <= {"job/two"}
            store.delete(there)
            assert names(store) == []
            store.put("job/two", b"next")


@pytest.mark.parametrize("call", ["pwrite64", "fsync", "linkat"])
def test_an_interrupt_leaves_no_temporary(tmp_path: Path, call: str) -> None:
    """Ctrl-C in the middle of a put: the key is whole or not there, and nothing else is."""
    source = """
store = LocalStore(sys.argv[1] + "/store")
store.put("job/one", b"old")
# fault
try:
    store.put("job/two", b"x")
except KeyboardInterrupt:
    print("interrupted")
print(*below(store.root))
"""
    lines = injected(f"{call}:signal=INT:when=1", source, tmp_path)
    assert lines[0] == "interrupted"
    assert lines[1] == ".gitignore job/one"
