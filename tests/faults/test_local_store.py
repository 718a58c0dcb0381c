"""The local store on disks that fail: full ones, read-only ones, ones that report errors, take little, or forget."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from lattice_addons.storage import LocalStore
from tests.program import clean_environ

HEAD = """
import os, sys, time
from lattice_addons.errors import LatticeError
from lattice_addons.storage import LocalStore

def attempt(use):
    try:
        use()
    except LatticeError as error:
        print(error.errno, error, flush=True)
    else:
        print("done", flush=True)

def stream(key, data):
    with store.create(key) as writer:
        writer.write(data)

def below(root):
    return sorted(os.path.relpath(os.path.join(at, name), root) for at, _, names in os.walk(root) for name in names)
"""

# Each is done once before the fault, so that the folders are there and their names are durable.
WRITERS = {
    "put": ("store.put('job/one', b'old')", "store.put('job/two', b'x' * 10_000)"),
    "replace": ("store.replace('job/one', b'old')", "store.replace('job/two', b'x' * 10_000)"),
    "create": ("stream('job/one', b'old')", "stream('job/two', b'x' * 10_000)"),
}


@cache
def no_strace() -> str:
    """Say why faults cannot be injected here; nothing where they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    probe = ["strace", "-qq", "-e", "inject=getppid:error=EIO", "true"]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    return f"strace cannot trace here: {done.stderr.strip()}" if done.returncode else ""


@cache
def no_mounts() -> str:
    """Say why nothing can be mounted here; nothing where it can."""
    if os.geteuid() != 0:
        return "mounting a file system needs root"
    script = 'folder=$(mktemp -d) && mount -t tmpfs tmpfs "$folder" && umount "$folder" && rmdir "$folder"'
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False)
    return f"nothing can be mounted here: {done.stderr.strip()}" if done.returncode else ""


def run(command: list[str], source: str, *args: str) -> list[str]:
    """Run a program under a command; give the lines that it prints."""
    full = [*command, sys.executable, "-c", HEAD + source, *args]
    done = subprocess.run(full, capture_output=True, text=True, check=False, timeout=120, env=clean_environ())
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout.splitlines()


def mounted(options: str, source: str, folder: Path) -> list[str]:
    """Run a program with a file system of its own mounted at the folder of its first argument."""
    if why := no_mounts():
        pytest.skip(why)
    script = 'mount -t tmpfs -o "$1" tmpfs "$2"; shift 2; exec "$@"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", options, str(folder)]
    return run(command, source, str(folder))


def injected(fault: str, source: str, folder: Path) -> list[str]:
    """Run a program; strace puts a fault into a call that it makes after the line ``# fault``.

    strace is attached only then: so that the fault hits the call that is meant, not one of the interpreter's start.
    """
    if why := no_strace():
        pytest.skip(why)
    waits = "print('ready', flush=True); sys.stdin.readline()\n"
    head, tail = source.split("# fault\n")
    program = [sys.executable, "-c", HEAD + head + waits + tail, str(folder)]
    process = subprocess.Popen(
        program,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environ(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    command = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"inject={fault}", "-p", str(process.pid)]
    tracer = subprocess.Popen(command)
    try:
        while f"TracerPid:\t{tracer.pid}\n" not in Path(f"/proc/{process.pid}/status").read_text():
            assert tracer.poll() is None, "strace did not attach"
        output, errors = process.communicate("go\n", timeout=120)
    finally:
        process.kill()
        tracer.wait(timeout=30)
    assert (process.returncode, errors) == (0, "")
    return output.splitlines()


def names(store: LocalStore) -> list[str]:
    """Give the files in the store's folder, temporaries too."""
    return sorted(
        path.name for path in Path(store.root).rglob("*") if path.is_file() and path.name != ".gitignore"
    )


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
        ("write", errno.EIO),
        ("write", errno.ENOSPC),
        ("write", errno.EDQUOT),
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
    source = "store = LocalStore(sys.argv[1])\nstore.put('put', bytes(range(256)))\nstream('pack', bytes(range(256)) * 9)"
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
print(store.read("key") == bytes(range(256)) * 100, os.preadv(os.open(sys.argv[1] + "/key", 0), [bytearray(5000)], 0))
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
    calls = "write,fsync,fdatasync,linkat,rename,renameat,renameat2,unlink,unlinkat,flock"
    kills = 0
    for call in calls.split(","):
        for when in range(1, 20):
            root = tmp_path / f"{call}-{when}"
            store = LocalStore(root)
            if writer == "replace":
                store.put("job/one", b"old")
            trace = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"inject={call}:signal=KILL:when={when}"]
            command = [*trace, sys.executable, "-c", HEAD + program, str(root)]
            done = subprocess.run(command, capture_output=True, check=False, timeout=60, env=clean_environ())
            if done.returncode == 0:
                break
            assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL), done.stderr
            kills += 1
            store.sweep()
            there = {key: store.read(key) for key in store.list()}
            if writer == "put":
                assert there in ({}, {"job/two": b"x" * 10_000})
            elif writer == "replace":
                assert there in ({"job/one": b"old"}, {"job/one": b"x" * 10_000})
            store.delete(there)
            assert names(store) == []
            run([], f"store = LocalStore(sys.argv[1])\n{second}", str(root))
    assert kills >= 4, "the kills hit nothing"


@pytest.mark.parametrize("call", ["write", "fsync", "linkat"])
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


@pytest.mark.mounts
def test_a_full_disk_keeps_nothing_of_what_did_not_fit(tmp_path: Path) -> None:
    """It is told with the number and what to do; when there is room again the same store goes on."""
    source = """
store = LocalStore(sys.argv[1] + "/store")
store.put("job/one", b"1" * 10_000)
with open(sys.argv[1] + "/filler", "wb", buffering=0) as filler:
    try:
        while True: filler.write(bytes(4096))
    except OSError: pass
attempt(lambda: store.put("job/two", b"2" * 10_000))
attempt(lambda: store.replace("job/one", b"3" * 10_000))
attempt(lambda: stream("job/three", b"4" * 10_000))
print(*below(store.root))
os.unlink(sys.argv[1] + "/filler")
attempt(lambda: store.put("job/two", b"2" * 10_000))
print(store.read("job/one") == b"1" * 10_000, *store.list())
"""
    lines = mounted("size=256k", source, tmp_path)
    for line in lines[:3]:
        assert line.startswith(f"{errno.ENOSPC} cannot write ")
        assert "the file system is full: make room there" in line
    assert lines[3:] == [".gitignore job/one", "done", "True job/one job/two"]


@pytest.mark.mounts
def test_a_disk_without_inodes(tmp_path: Path) -> None:
    """No file can be made: it is told, and what is there can be read and deleted."""
    source = """
store = LocalStore(sys.argv[1] + "/store")
store.put("job/one", b"1")
number = 0
try:
    while True:
        open(f"{sys.argv[1]}/{number}", "x").close(); number += 1
except OSError: pass
attempt(lambda: store.put("job/two", b"2"))
attempt(lambda: store.put("other/two", b"2"))
attempt(lambda: stream("job/two", b"2"))
print(*below(store.root))
store.delete(["job/one"])
attempt(lambda: store.put("job/two", b"2"))
"""
    lines = mounted("nr_inodes=20", source, tmp_path)
    assert [line.split()[0] for line in lines[:3]] == [str(errno.ENOSPC)] * 3
    assert lines[3:] == [".gitignore job/one", "done"]


@pytest.mark.mounts
def test_a_read_only_root(tmp_path: Path) -> None:
    """A writer is told at once; a reader reads."""
    source = """
LocalStore(sys.argv[1] + "/store").put("job/one", b"1")
os.system(f"mount -o remount,ro {sys.argv[1]}")
attempt(lambda: LocalStore(sys.argv[1] + "/store"))
attempt(lambda: LocalStore(sys.argv[1] + "/new"))
store = LocalStore(sys.argv[1] + "/store", create=False)
print(store.read("job/one"), store.list(), store.sweep())
attempt(lambda: store.put("job/two", b""))
"""
    lines = mounted("size=256k", source, tmp_path)
    for line in (lines[0], lines[1], lines[3]):
        assert line.startswith(f"{errno.EROFS} cannot "), line
        assert "read-only: set `root`" in line
    assert lines[2] == "b'1' ['job/one'] 0"


def test_a_root_without_rights(tmp_path: Path) -> None:
    """Told with what to do; asked as a user who has no rights to everything."""
    (tmp_path / "store").mkdir(mode=0o555)
    source = "attempt(lambda: LocalStore(sys.argv[1]))"
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    if command and shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")
    for folder in (tmp_path, *tmp_path.parents[:2]):
        if folder.owner() == Path(tmp_path).owner() and os.geteuid() == 0:
            folder.chmod(0o755)
    probe = subprocess.run([*command, sys.executable, "-c", ""], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("the interpreter cannot be run by another user")
    lines = run(command, source, str(tmp_path / "store"))
    assert lines[0].startswith(
        f"{errno.EACCES} cannot open the store {tmp_path / 'store'} (Permission denied)"
    )
    assert "give yourself the right" in lines[0]
