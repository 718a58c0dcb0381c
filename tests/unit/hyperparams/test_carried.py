"""Values of a checkpoint: reported when they are others now, and never preferred without being told to."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.cli import main
from lattice_addons.errors import HyperParameterError, HyperParametersChangedError
from lattice_addons.hyperparams import HyperParameters, manager
from tests.unit.hyperparams.sources import HEAD

if TYPE_CHECKING:
    from pathlib import Path

STORED = {"lr": 0.5, "betas": [0.9, 0.5], "same": 1}
SOURCE = HEAD + '_("lr", 0.1)\n_("betas", (0.9, 0.99))\n_("same", 1)\n_("new", 2)'


@pytest.fixture
def carried(hp: HyperParameters) -> HyperParameters:
    """Give a manager that carries on from a checkpoint with other values."""
    hp.parse_source(SOURCE)
    hp.carry(STORED, "checkpoint 3")
    return hp


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Give the warnings about hyper-parameters."""
    ours = [record for record in caplog.records if record.name == "lattice_addons.hyperparams"]
    return [record.getMessage() for record in ours if record.levelno >= logging.WARNING]


def test_a_changed_default_counts_and_is_reported_once(
    carried: HyperParameters, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a rule: the value of now, and one warning when it is first used."""
    assert told(caplog) == []
    for _ in range(3):
        assert carried("lr") == 0.1
        assert carried("betas", (0.9, 0.99)) == (0.9, 0.99)
        assert carried("same") == 1
        assert carried("new", 2) == 2
    helps = "; carry_on(resume=...) says which counts"
    assert told(caplog) == [
        f"_: hyper-parameter lr was 0.5 in checkpoint 3, and is 0.1 now{helps}",
        f"_: hyper-parameter betas was (0.9, 0.5) in checkpoint 3, and is (0.9, 0.99) now{helps}",
    ]


def test_the_stored_ones_count_if_one_says_so(
    carried: HyperParameters, caplog: pytest.LogCaptureFixture
) -> None:
    """Each with its type; what was set in this process counts before them; all of it is told."""
    carried.carry_on(resume="stored")
    carried.set_value("lr", 0.7)
    assert carried.in_force() == {"lr": 0.7, "betas": [0.9, 0.5], "same": 1, "new": 2}
    assert carried("lr") == 0.7
    assert carried("betas") == (0.9, 0.5)
    assert carried.get_values() == {"lr": 0.7, "betas": (0.9, 0.5), "same": 1, "new": 2}
    assert len(told(caplog)) == 2


def test_a_difference_is_an_error_if_one_says_so(carried: HyperParameters) -> None:
    """At once, for all that is known; what is set back is no difference."""
    with pytest.raises(HyperParametersChangedError) as caught:
        carried.carry_on(resume="error")
    assert caught.value.changes == {"lr": (0.5, 0.1), "betas": ((0.9, 0.5), (0.9, 0.99))}
    assert "lr was 0.5, and is 0.1 now" in str(caught.value)
    with pytest.raises(HyperParametersChangedError):
        carried("lr")
    carried.set_values({"lr": 0.5, "betas": (0.9, 0.5)})
    carried.carry_on(resume="error")
    assert carried("lr") == 0.5


@pytest.mark.parametrize("rule", ["current", "stored", "error"])
def test_a_difference_that_nobody_was_told_is_not_saved(hp: HyperParameters, rule: str) -> None:
    """A program that is stopped before it uses the new value, or refuses it, leaves it to the next to see it."""
    hp.parse_source(SOURCE)
    hp.carry(STORED, "checkpoint 3")
    before = {"lr": 0.5, "betas": [0.9, 0.5], "same": 1, "new": 2}
    assert hp.in_force() == before
    with contextlib.suppress(HyperParametersChangedError):
        hp.carry_on(resume=rule)
    assert hp.in_force() == before
    with contextlib.suppress(HyperParametersChangedError):
        hp("lr", 0.1)
    assert hp.in_force() == before | ({"lr": 0.1} if rule == "current" else {})


def test_what_was_used_before_the_checkpoint_was_known_is_reported_then(
    hp: HyperParameters, caplog: pytest.LogCaptureFixture
) -> None:
    """As at the top of a file, and never again; what the checkpoint has from then on is the value of now."""
    assert (hp("lr", 0.1), hp("same", 1)) == (0.1, 1)
    hp.carry(STORED, "checkpoint 3")
    assert [each.partition(";")[0] for each in told(caplog)] == [
        "_: hyper-parameter lr was 0.5 in checkpoint 3, and is 0.1 now"
    ]
    assert hp.in_force() == {"lr": 0.1, "same": 1}
    assert hp("lr", 0.1) == 0.1
    assert len(told(caplog)) == 1


def test_what_was_used_before_the_checkpoint_was_known_is_refused_then(hp: HyperParameters) -> None:
    """With the rule that a difference is an error."""
    hp("lr", 0.1)
    hp.carry_on(resume="error")
    with pytest.raises(HyperParametersChangedError, match=r"lr was 0\.5, and is 0\.1 now"):
        hp.carry(STORED, "checkpoint 3")
    assert hp.in_force() == {"lr": 0.5}


def test_the_rule_may_come_before_the_checkpoint(hp: HyperParameters) -> None:
    """And before anything is declared: then the first use is where it is seen."""
    hp.carry_on(resume="error")
    hp.carry({"lr": 0.5}, "checkpoint 3")
    assert hp("lr", 0.5) == 0.5
    hp.carry({"lr": 0.5}, "checkpoint 3")
    with pytest.raises(HyperParametersChangedError):
        hp("lr", 0.1)
    with pytest.raises(HyperParameterError, match="current, stored, error"):
        hp.carry_on(resume="whatever")


@pytest.mark.parametrize(
    "stored", [{"$repr": "<object>"}, {"$literal": "f()"}, {"$literal": 3}, {"$float": "x"}]
)
def test_what_cannot_be_made_again_is_left_alone(hp: HyperParameters, stored: dict[str, Any]) -> None:
    """Also what somebody has edited in a manifest: nothing is run."""
    hp.carry_on(resume="stored")
    hp.carry({"x": stored}, "checkpoint 3")
    assert hp("x", 1) == 1


def test_a_stored_value_that_is_not_allowed_any_more_is_not_taken(
    hp: HyperParameters, caplog: pytest.LogCaptureFixture
) -> None:
    """The type has changed, or a bound."""
    hp.parse_source(HEAD + '_("x", 1, max=3)')
    hp.carry_on(resume="stored")
    hp.carry({"x": 7}, "checkpoint 3")
    assert hp("x") == 1
    assert "not taken" in told(caplog)[0]


def test_every_value_has_a_readable_form(hp: HyperParameters) -> None:
    """Whatever it is, a save must not fail for it, nor be made large."""

    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    endless: list[Any] = []
    endless.append(endless)
    values = {"nan": float("nan"), "big": 2**70, "set": {1}, "broken": Broken(), "endless": endless,
              "text": "x" * 10**6, "deep": {"a": [1, {"b": (1, 2)}]}, "none": None, "surrogate": "\udc80",
              "many": ["x" * 100] * 10_000}  # fmt: skip
    hp.set_values(values, strict=False)
    told = hp.in_force()
    assert told["nan"] == {"$float": "nan"}
    assert told["big"] == {"$literal": str(2**70)}
    assert told["set"] == {"$literal": "{1}"}
    assert told["none"] is None
    assert len(json.dumps(told)) < 10_000
    json.dumps(told).encode()


@pytest.fixture
def job(tmp_path: Path) -> Settings:
    """Give the settings of a job."""
    return Settings(root=str(tmp_path / "store"), job_id="job", signals=())


def test_checkpoints_have_the_values_in_force(job: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """Those at the time of the snapshot; `show` prints them, and `diff` says which changed."""
    mine = manager("carried_test")
    mine("lr", 0.1)
    mine("opt.betas", (0.9, 0.99))
    for value in (0.1, 0.3):
        group = StateManagerGroup(job)
        group.register("n")
        group.update("n", 0)
        mine.set_value("lr", value)
        future = group.async_save()
        mine.set_value("lr", 99.0)
        checkpoint = future.result()
        assert checkpoint is not None
        assert checkpoint.hyperparams["carried_test"] == {"lr": value, "opt.betas": [0.9, 0.99]}
        group.close()
    assert main(["show", "job", "--root", job.root, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hyperparams"]["carried_test"]["lr"] == 0.3
    assert main(["show", "job", "--root", job.root]) == 0
    assert "opt.betas" in capsys.readouterr().out
    assert main(["diff", "job", "1", "2", "--root", job.root, "--json"]) == 0
    changes = [each for each in json.loads(capsys.readouterr().out) if each.get("manager") == "carried_test"]
    assert changes == [{"manager": "carried_test", "hyperparam": "lr", "before": 0.1, "after": 0.3}]
    assert main(["diff", "job", "1", "2", "--root", job.root]) == 0
    assert "0.1" in capsys.readouterr().out


def test_a_group_tells_the_managers(job: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """Those that are there, and those that are made later."""
    group = StateManagerGroup(job)
    group.register("n")
    group.update("n", 0)
    early = manager("early_test")
    early("x", 1)
    group.save()
    group.close()
    group = StateManagerGroup(job)
    early._used.clear()
    assert early("x", 2) == 2
    assert "early_test: hyper-parameter x was 1 in checkpoint 1 of job 'job', and is 2 now" in told(caplog)[0]
    group.close()


def test_a_save_waits_for_no_lock_of_a_manager(job: Settings) -> None:
    """A signal may come while the program sets a value."""
    mine = manager("locked_test")
    mine("x", 1)
    group = StateManagerGroup(job)
    group.register("n")
    group.update("n", 0)
    with mine._lock:
        thread = threading.Thread(target=group.save)
        thread.start()
        thread.join(150)
        assert not thread.is_alive()
    group.close()


@pytest.mark.parametrize("encrypted", [False, True])
def test_copies_of_a_checkpoint_have_them(
    job: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encrypted: bool
) -> None:
    """Exported and imported into another job, readable or encrypted."""
    if encrypted:
        pytest.importorskip("cryptography")
        (tmp_path / "key").write_text("correct horse battery staple, twelve of them")
        job = dataclasses.replace(job, encryption_key_file=str(tmp_path / "key"))
        monkeypatch.setenv("LATTICE_CHECKPOINT_CONFIG", f"encryption_key_file={tmp_path / 'key'}")
    manager("copied_test")("secret_rate", 0.1)
    group = StateManagerGroup(job)
    group.register("n")
    group.update("n", 0)
    group.save()
    group.close()
    (manifest,) = (tmp_path / "store" / "job").rglob("0*1.json")
    assert (b"secret_rate" in manifest.read_bytes()) is not encrypted
    assert main(["export", "job", str(tmp_path / "file"), "--root", job.root]) == 0
    assert main(["import", str(tmp_path / "file"), "--job", "copy", "--root", job.root]) == 0
    copy = StateManagerGroup(dataclasses.replace(job, job_id="copy"))
    base = copy._session.stored.base
    assert base is not None
    assert base.hyperparams == {"copied_test": {"secret_rate": 0.1}}
    copy.close()
