"""What a setting cannot be is refused by an error that says where it stands and what would be right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.errors import LatticeError, SettingsError
from lattice_addons.settings import Settings
from tests.program import Program

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = "LATTICE_CHECKPOINT_CONFIG"
SECRET = "0123456789abcdef"  # noqa: S105 - a key for tests


def refusal(**variables: str) -> SettingsError:
    """Give the error with which an environment is refused."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ(variables)
    return caught.value


@pytest.mark.parametrize(
    ("text", "part", "hint"),
    [
        ("rot=/x", "rot", "'root'"),
        ("KEEP=3", "KEEP", "'keep'"),
        ("strict=1", "strict", "no such key"),
        ("root", "root", "key=value"),
        ("root,keep=3", "root", "key=value"),
        ("=3", "", "no such key"),
        ("keep=3,", "keep=3,", "last comma"),
        ("keep=3,,grace=1", "", "key=value"),
        ("keep=3,keep=4", "keep", "twice"),
        ("root='/x", "'/x", "not closed"),
        ("root='/x'y,keep=3", "'/x'y,keep=3", "closing quote"),
        ("root=", "", "path of a folder"),
        ("root=s3://bucket", "s3://bucket", "LATTICE_CHECKPOINT_TYPE=s3"),
        ("root=gs://bucket", "gs://bucket", "LATTICE_CHECKPOINT_TYPE=fsspec"),
        ("root=~nobody-here/x", "~nobody-here/x", "home"),
        ("atexit_saving=enabeld", "enabeld", "'enabled'"),
        ("atexit_saving=off", "off", "'disabled'"),
        ("periodic_saving=True", "True", "'enabled'"),
        ("periodic_saving=enabled", "periodic_saving", "periodic_saving_interval=auto"),
        ("periodic_saving_interval=Auto", "Auto", "or auto"),
        ("periodic_saving_interval=0", "0.0", "above 0"),
        ("periodic_saving_interval=-1", "-1.0", "above 0"),
        ("periodic_saving_interval=1_0", "1_0", "number"),
        ("periodic_saving_interval=inf", "inf", "a year"),
        ("periodic_saving_overhead=0", "0.0", "above 0"),
        ("periodic_saving_overhead=3.5", "3.5", "3.5 percent is 0.035"),
        ("periodic_saving_overhead=1", "1.0", "below 1"),
        ("periodic_saving_overhead=nan", "nan", "below 1"),
        ("periodic_saving_overhead=3.5%", "3.5%", "0.035"),
        ("memory=512mb", "512mb", "512MiB"),
        ("memory=MiB", "MiB", "512MiB"),
        ("memory=-1", "-1", "512MiB"),
        ("memory=1_000", "1_000", "512MiB"),
        ("memory=", "", "512MiB"),
        ("memory=2000000TiB", str(2000000 << 40), "from 0"),
        ("restore=mmap", "mmap", "'map'"),
        ("spool_limit=20GIB", "20GIB", "512MiB"),
        ("linger=-1", "-1.0", "a year"),
        ("linger=ever", "ever", "forever"),
        ("offline=yes", "yes", "allow"),
        ("grace=inf", "inf", "a year"),
        ("grace=nan", "nan", "a year"),
        ("grace=1e300", "1e+300", "a year"),
        ("grace=soon", "soon", "number"),
        ("keep=0", "0", "from 1"),
        ("keep=3.0", "3.0", "whole number"),
        ("keep=٣", "٣", "whole number"),
        ("keep_hourly=-1", "-1", "from 0"),
        ("keep_daily=", "", "whole number"),
        ("ckpt_service_port=65536", "65536", "65535"),
        ("ckpt_service_endpoint=a b", "a b", "no blanks"),
        ("trust=Signed", "Signed", "'signed'"),
        ("trust=signed", "trust=signed", "LATTICE_CHECKPOINT_KEY"),
        ("signals=SIGKILL", "SIGKILL", "no program can catch"),
        ("signals=SIGTERM+SIGSTOP", "SIGSTOP", "no program can catch"),
        ("signals=SIGINT", "SIGINT", "Python's"),
        ("signals=SIGSEGV", "SIGSEGV", "periodically"),
        ("signals=SIGTREM", "SIGTREM", "'SIGTERM'"),
        ("signals=usr1", "usr1", "'SIGUSR1'"),
        ("signals=SIGTERM+", "", "no such signal"),
        ("signals=15", "15", "no such signal"),
        ("opt.=1", "opt.", "named as"),
        ("opt.a-b=1", "opt.a-b", "named as"),
        ("job_id=a/b", "a/b", "'a-b'"),
    ],
)
def test_malformed_configuration_is_refused(text: str, part: str, hint: str) -> None:
    """The error names the variable, the bad part, and what would be right."""
    error = refusal(**{CONFIG: text})
    assert error.variable == CONFIG
    assert error.part == part
    assert str(error).startswith(f"{CONFIG}: ")
    assert hint in str(error)


@pytest.mark.parametrize(
    ("variable", "text", "hint"),
    [
        ("LATTICE_CHECKPOINT_TYPE", "lokal", "'local'"),
        ("LATTICE_CHECKPOINT_TYPE", "S3", "'s3'"),
        ("LATTICE_JOB_ID", "", "empty"),
        ("LATTICE_CHECKPOINT_KEY", "", "0 bytes"),
        ("LATTICE_CHECKPOINT_KEY", SECRET[:-1], "15 bytes"),
        ("LATTICE_ENCRYPTION_KEY", "", "0 bytes"),
        ("LATTICE_ENCRYPTION_KEY", SECRET[:-1], "15 bytes"),
        ("LATTICE_STRICT", "maybe", "Valid: 1, true"),
        ("LATTICE_DISABLE", "2", "Valid: 1, true"),
        ("LATTICE_LOGLEVEL", "LOUD", "Valid: DEBUG"),
        ("LATTICE_LOGLEVEL", "warn", "'WARNING'"),
    ],
)
def test_malformed_variables_are_refused(variable: str, text: str, hint: str) -> None:
    """Each variable names itself in its error."""
    error = refusal(**{variable: text})
    assert error.variable == variable
    assert str(error).startswith(f"{variable}: ")
    assert hint in str(error)


@pytest.mark.parametrize(
    "job_id",
    [
        "",
        ".",
        "..",
        "../x",
        ".x",
        "a/b",
        "a\\b",
        "a\0b",
        "a\nb",
        " a",
        "a ",
        "x" * 201,
        "ü" * 101,
        "a\udc80b",
    ],
)
def test_job_ids_that_are_no_folder_names(job_id: str) -> None:
    """Nothing that could leave the root, be hidden, or be too long for a file system."""
    with pytest.raises(SettingsError, match=r"job.id"):
        Settings(job_id=job_id)


@pytest.mark.parametrize(
    "arguments",
    [
        {"type": "disk"},
        {"type": None},
        {"root": ""},
        {"root": b"/x"},
        {"root": "a\0b"},
        {"root": 3},
        {"type": "s3", "root": "/x"},
        {"type": "s3", "root": "gs://bucket"},
        {"type": "s3"},
        {"type": "fsspec", "root": "://x"},
        {"type": "remote"},
        {"type": "remote", "ckpt_service_endpoint": "http://here"},
        {"type": "remote", "ckpt_service_endpoint": "here:5555"},
        {"type": "remote", "ckpt_service_endpoint": "here", "root": "lattice://elsewhere"},
        {"type": "fsspec", "root": "lattice://:5555"},
        {"type": "fsspec", "root": "lattice://here:port"},
        {"type": "fsspec", "root": "lattice://[::1"},
        {"token": ""},
        {"token": "two words"},
        {"token": SECRET.encode()},
        {"job_id": 7},
        {"atexit_saving": "enabled"},
        {"atexit_saving": None},
        {"periodic_saving": True},
        {"periodic_saving_interval": True},
        {"periodic_saving_interval": "30"},
        {"periodic_saving_interval": ["auto"]},
        {"periodic_saving_overhead": "0.1"},
        {"periodic_saving_overhead": 1},
        {"periodic_saving_overhead": True},
        {"memory": "512MiB"},
        {"memory": -1},
        {"memory": 1.5},
        {"restore": None},
        {"spool_limit": "20GiB"},
        {"spool_limit": None},
        {"linger": "ever"},
        {"linger": True},
        {"offline": True},
        {"signals": "SIGTERM"},
        {"signals": (15,)},
        {"signals": None},
        {"grace": "3"},
        {"keep": True},
        {"keep": 1.0},
        {"ckpt_service_port": 0},
        {"trust": "all"},
        {"options": {"a": 1}},
        {"options": ["a"]},
        {"key": SECRET},
        {"key": b"short"},
        {"key": b" " * 40},
        {"strict": 1},
        {"loglevel": "debug"},
    ],
)
def test_constructor_refuses_what_the_environment_would(arguments: dict[str, Any]) -> None:
    """Explicit settings are held to the same rules, types included."""
    with pytest.raises(SettingsError) as caught:
        Settings(**arguments)
    assert any(name in str(caught.value) for name in arguments)
    assert isinstance(caught.value, (LatticeError, ValueError))


def test_working_directory_that_is_gone(tmp_path: Path) -> None:
    """In a deleted folder a relative root is one clear error, and an absolute one works."""
    source = """
        import os
        from lattice_addons.errors import SettingsError
        from lattice_addons.settings import Settings
        os.mkdir("gone"); os.chdir("gone"); os.rmdir("../gone")
        print(Settings(root="/x").root)
        try:
            Settings()
        except SettingsError as error:
            print(error)
    """
    done = Program(tmp_path, source).run()
    assert done.stdout.startswith("/x\nSettings: root="), done.stderr
    assert "the working directory is gone" in done.stdout


def test_secret_is_never_shown() -> None:
    """Neither the settings nor an error about the secret print it."""
    assert SECRET not in repr(Settings(key=SECRET.encode()))
    assert "hunter2" not in str(refusal(LATTICE_CHECKPOINT_KEY="hunter2"))
    assert "hunter2" not in str(refusal(LATTICE_ENCRYPTION_KEY="hunter2"))


def test_only_one_key_encrypts() -> None:
    """Which of two was meant nobody could tell afterwards."""
    variables = {CONFIG: "encryption_key_file=/key", "LATTICE_ENCRYPTION_KEY": SECRET}
    error = refusal(**variables)
    assert "LATTICE_ENCRYPTION_KEY" in str(error)
    assert "keep one of them" in str(error)
    assert refusal(**{CONFIG: "encryption_key_file="}).part == ""


def test_long_nonsense_is_shown_short() -> None:
    """A bad value of 100 kB does not fill the terminal."""
    assert len(str(refusal(**{CONFIG: "keep=" + "x" * 100_000}))) < 300


@pytest.mark.parametrize(
    "arguments",
    [
        {"type": "fsspec", "root": f"lattice://{SECRET}@here/job"},
        {"type": "fsspec", "root": f"lattices://me:{SECRET}@here:port"},
        {"type": "remote", "ckpt_service_endpoint": f"{SECRET}@here"},
        {"type": "remote", "ckpt_service_endpoint": "here", "root": f"lattice://{SECRET}@here:5555"},
        {"token": f"{SECRET} {SECRET}"},
        {"options": {"token": SECRET, "other": 1}},
    ],
)
def test_no_token_is_shown_where_it_does_not_belong(arguments: dict[str, Any]) -> None:
    """In a URL it would be stored and printed with that: it is refused there, and not repeated."""
    with pytest.raises(SettingsError) as caught:
        Settings(**arguments)
    assert SECRET not in str(caught.value)
    assert SECRET not in caught.value.part


def test_tls_is_on_or_off() -> None:
    """A word that is neither must not turn it off."""
    with pytest.raises(SettingsError, match=r"opt\.tls='yes'.*did you mean"):
        Settings(type="remote", ckpt_service_endpoint="here", options={"tls": "yes"})
