"""What the LATTICE_* variables say is what the settings are."""

from __future__ import annotations

import dataclasses
import os
import pickle
from typing import TYPE_CHECKING

import pytest

from lattice_addons._environ import meant
from lattice_addons.settings import KEYS, VARIABLES, Settings, check_job_id
from tests.program import Program

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = "LATTICE_CHECKPOINT_CONFIG"
SECRET = "0123456789abcdef"  # noqa: S105 - a key for tests


def configured(text: str, **variables: str) -> Settings:
    """Give the settings that a configuration makes."""
    return Settings.from_environ({CONFIG: text, **variables})


def test_defaults_are_those_of_an_empty_environment() -> None:
    """An environment without our variables says the same as no arguments."""
    assert Settings.from_environ({}) == Settings()


def test_constructor_does_not_read_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group of one's own, made with explicit settings, is not changed by the environment."""
    monkeypatch.setenv(CONFIG, "keep=9")
    assert Settings().keep == 3
    assert Settings.from_environ().keep == 9


def test_every_key_is_read_into_its_field(tmp_path: Path) -> None:
    """A configuration that names every key changes every field."""
    text = (
        f"root={tmp_path}/r, job_id=train-7, atexit_saving=disabled, periodic_saving=enabled,"
        "periodic_saving_interval=0.5, periodic_saving_overhead=0.1, signals=SIGTERM+SIGUSR1, grace=3, keep=4,"
        f"keep_hourly=5, keep_daily=6, spool={tmp_path}/s, ckpt_service_endpoint=there, ckpt_service_port=7,"
        f"encryption_key_file={tmp_path}/k,"
        "restore=map, memory=512MiB, trust=signed, opt.a=1, opt.b=2, spool_limit=2GiB, linger=60, offline=allow,"
        "ranks=alone"
    )
    settings = configured(
        text,
        LATTICE_CHECKPOINT_TYPE="memory",
        LATTICE_CHECKPOINT_KEY=SECRET,
        LATTICE_CHECKPOINT_TOKEN=f" {SECRET}\n",
        LATTICE_RUN_ID="7.1",
        LATTICE_STRICT="1",
        LATTICE_DISABLE="yes",
        LATTICE_LOGLEVEL="debug",
    )
    assert settings == Settings(
        type="memory",
        root=f"{tmp_path}/r",
        job_id="train-7",
        atexit_saving=False,
        periodic_saving=True,
        periodic_saving_interval=0.5,
        periodic_saving_overhead=0.1,
        signals=("SIGTERM", "SIGUSR1"),
        grace=3,
        keep=4,
        keep_hourly=5,
        keep_daily=6,
        spool=f"{tmp_path}/s",
        spool_limit=2 << 30,
        linger=60,
        offline="allow",
        ranks="alone",
        run_id="7.1",
        ckpt_service_endpoint="there",
        ckpt_service_port=7,
        restore="map",
        memory=512 * 1024**2,
        trust="signed",
        options={"a": "1", "b": "2"},
        encryption_key_file=f"{tmp_path}/k",
        key=SECRET.encode(),
        token=SECRET,
        strict=True,
        disabled=True,
        loglevel="DEBUG",
    )
    defaults = Settings()
    for field in dataclasses.fields(Settings):
        # A key cannot stand in a file and in its variable at the same time.
        if field.name != "encryption_key":
            assert getattr(settings, field.name) != getattr(defaults, field.name), field.name


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("root=/a/b", "/a/b"),
        ("root = /a/b , keep=3", "/a/b"),
        ("root='/a,b=c'", "/a,b=c"),
        ('root="/a,b",keep=3', "/a,b"),
        ("root='/it''s'", "/it's"),
        ('root="/it\'s" , keep=3', "/it's"),
        ("root=/it's", "/it's"),
        ("root=/a=b", "/a=b"),
        ("root='/a '", "/a "),
    ],
)
def test_values_may_be_quoted(text: str, root: str) -> None:
    """Commas, equals signs, blanks and quotes can be said."""
    assert configured(text).root == root


@pytest.mark.parametrize("variable", [name for name in VARIABLES if not name.endswith(("_JOB_ID", "_KEY"))])
def test_empty_variable_is_as_none(variable: str) -> None:
    """A script that passes on what is not set changes nothing."""
    assert Settings.from_environ({variable: " "}) == Settings()


@pytest.mark.parametrize("job_id", ["a", "train.py", "my job", "x" * 200, "ünïcode", "-", "a..b", "42"])
def test_job_ids_that_are(job_id: str) -> None:
    """Names that people give to folders are fine."""
    assert Settings(job_id=job_id).job_id == check_job_id(job_id) == job_id


def test_job_id_variable_stands_above_the_key() -> None:
    """What a scheduler sets for one run is more than what a configuration says for all."""
    assert configured("job_id=all", LATTICE_JOB_ID="this").job_id == "this"


def test_relative_folders_do_not_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chdir after the settings are made does not change where things are kept."""
    monkeypatch.chdir(tmp_path)
    default, given = Settings(), Settings(root="here/../there", spool="spool")
    monkeypatch.chdir("/")
    assert default.root == str(tmp_path / ".lattice")
    assert given.root == str(tmp_path / "there")
    assert given.spool == str(tmp_path / "spool")


def test_home_is_meant_by_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    """No shell expands a tilde behind an equals sign, so we do."""
    monkeypatch.setenv("HOME", "/home/me")
    assert configured("root=~/runs").root == "/home/me/runs"


def test_spool_follows_the_state_home_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative state home is ignored, as its specification says."""
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert Settings().spool == "/state/lattice"
    assert Settings.from_environ({"XDG_STATE_HOME": "/other"}).spool == "/other/lattice"
    assert Settings.from_environ({"XDG_STATE_HOME": "other"}).spool == "/home/me/.local/state/lattice"


def test_urls_stay_as_they_are() -> None:
    """Only local roots are paths."""
    assert Settings(type="s3", root="s3://bucket/a/../b").root == "s3://bucket/a/../b"
    assert Settings(type="fsspec", root="gs://bucket").root == "gs://bucket"
    assert Settings(type="memory", root="mine").root == "mine"


def test_signals_can_be_none() -> None:
    """Saving on signals can be turned off, and a name given twice counts once."""
    assert configured("signals=none").signals == configured("signals=").signals == ()
    assert configured("signals=SIGTERM + SIGTERM").signals == ("SIGTERM",)


@pytest.mark.parametrize(
    ("text", "count"),
    [("0", 0), ("4096", 4096), ("4096B", 4096), ("1kB", 1000), ("512MiB", 512 << 20), ("2 GB", 2 * 10**9)],
)
def test_memory_is_said_as_people_say_it(text: str, count: int) -> None:
    """Bytes, with or without a unit; in the program it is a number."""
    assert configured(f"memory={text}").memory == Settings(memory=count).memory == count


def test_the_uploader_may_stay_for_ever() -> None:
    """Without a limit that is said by a word, as 0 is no time at all."""
    assert configured("linger=forever").linger == Settings(linger="forever").linger == "forever"
    assert configured("linger=0").linger == 0
    assert configured("").linger is None


def test_interval_may_choose_itself() -> None:
    """Periodic saving needs no number: ``auto`` is an interval too, in the environment and in the program."""
    settings = configured("periodic_saving=enabled,periodic_saving_interval=auto")
    assert settings == Settings(periodic_saving=True, periodic_saving_interval="auto")
    assert settings.periodic_saving_overhead == 0.035


def test_secret_is_read_byte_for_byte() -> None:
    """Two programs that are given the same variable have the same key, blanks and stray bytes included."""
    text = os.fsdecode(b" 0123456789abcdef\xff ")
    assert Settings.from_environ({"LATTICE_CHECKPOINT_KEY": text}).key == b" 0123456789abcdef\xff "
    assert Settings.from_environ({"LATTICE_ENCRYPTION_KEY": text}).encryption_key == b" 0123456789abcdef\xff "


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    """Settings are printed into logs."""
    settings = Settings(
        key=SECRET.encode(),
        encryption_key=SECRET.encode(),
        token=SECRET,
        options={"password": SECRET},
        root=str(tmp_path),
    )
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("text", "root"),
    [
        ("ckpt_service_endpoint=there", "lattice://there:5555"),
        ("ckpt_service_endpoint=10.0.0.1,ckpt_service_port=443,opt.tls=true", "lattices://10.0.0.1:443"),
        ("ckpt_service_endpoint=::1,opt.tls=false", "lattice://[::1]:5555"),
        ("ckpt_service_endpoint=[::1],root='lattice://[::1]:5555'", "lattice://[::1]:5555"),
    ],
)
def test_a_service_is_a_root(text: str, root: str) -> None:
    """What is said of host, port and TLS is one URL, which can be given instead."""
    settings = configured(text, LATTICE_CHECKPOINT_TYPE="remote")
    assert settings.root == root
    assert dataclasses.replace(settings, keep=9).root == root
    assert configured(f"root='{root}'", LATTICE_CHECKPOINT_TYPE="fsspec").root == root


def test_a_token_is_for_a_service_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an option of that, beside an authority's certificate, which is found from any folder."""
    monkeypatch.chdir(tmp_path)
    there = configured(
        "root=lattices://there,opt.cafile=ca.pem",
        LATTICE_CHECKPOINT_TYPE="fsspec",
        LATTICE_CHECKPOINT_TOKEN=SECRET,
    )
    assert there.options == {"token": SECRET, "cafile": f"{tmp_path}/ca.pem"}
    assert dataclasses.replace(there, type="local", root="x", options={}).options == {}
    other = configured("ckpt_service_endpoint=there,opt.token=mine", LATTICE_CHECKPOINT_TYPE="remote")
    assert other.options == {"token": "mine"}
    assert configured("", LATTICE_CHECKPOINT_TOKEN=SECRET).options == {}


def test_settings_are_values(tmp_path: Path) -> None:
    """They can be compared, hashed, pickled, replaced, and not changed."""
    settings = Settings(root=str(tmp_path), options={"a": "1"}, key=SECRET.encode())
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert hash(settings) == hash(dataclasses.replace(settings, options={}))
    assert dataclasses.replace(settings, keep=9).keep == 9
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.keep = 1  # type: ignore[misc]


def test_options_are_a_copy() -> None:
    """A dict that the caller changes later does not change the settings."""
    options = {"a": "1"}
    settings = Settings(options=options)
    options["a"] = "2"
    assert settings.options == {"a": "1"}


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("LATTICE_CHECKPIONT_TYPE", "LATTICE_CHECKPOINT_TYPE"),
        ("LATTICE_LOG_LEVEL", "LATTICE_LOGLEVEL"),
        ("LATICE_JOB_ID", "LATTICE_JOB_ID"),
        ("lattice_disable", "LATTICE_DISABLE"),
        *(
            (name, None)
            for name in (*VARIABLES, "LATTICE_JOBS", "LATTICE_LICENSE_FILE", "LATTICE_RUN_DIR", "LATEX")
        ),
    ],
)
def test_a_variable_that_is_almost_ours(name: str, right: str | None) -> None:
    """Its right name is known; one that another program may have is left alone."""
    assert meant(name) == right


@pytest.mark.parametrize("level", ["", "error"])
def test_a_misspelt_variable_is_warned_of_once(tmp_path: Path, level: str) -> None:
    """By the program that reads the settings, even where they are refused; where no warnings are asked for, by none."""
    text = "from lattice_addons.settings import Settings\nfor _ in 'ab': Settings.from_environ()"
    given = {"LATTICE_CHECKPIONT_TYPE": "s3", "LATTICE_CHECKPOINTS_KEY": "x", "LATTICE_JOBS": "3"}
    told = Program(tmp_path, text).run(environ=given | {"LATTICE_LOGLEVEL": level}).stderr.splitlines()
    warned = [
        "LATTICE_CHECKPIONT_TYPE is set, and means nothing: did you mean LATTICE_CHECKPOINT_TYPE?",
        "LATTICE_CHECKPOINTS_KEY is set, and means nothing: did you mean LATTICE_CHECKPOINT_KEY?",
    ]
    assert told == ([] if level else warned)
    refused = Program(tmp_path, text).run(environ=given | {"LATTICE_CHECKPOINT_CONFIG": "kep=3"})
    assert warned[0] in refused.stderr
    assert "did you mean 'keep'" in refused.stderr


def test_every_key_says_its_default_and_meaning() -> None:
    """The reference page is made from these."""
    for field in dataclasses.fields(Settings):
        if field.name in KEYS:
            assert field.metadata["default"], field.name
            assert field.metadata["meaning"], field.name
    of_variables = {name for name, _ in VARIABLES.values() if name}
    assert of_variables | {*KEYS, "options"} == {field.name for field in dataclasses.fields(Settings)}
