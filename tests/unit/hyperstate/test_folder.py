"""A checkpoint is a folder that a person can read and edit, and commit again."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from lattice_addons import Settings
from lattice_addons.checkpoint import Fresh, Line
from lattice_addons.cli import main
from lattice_addons.encoding import encode
from lattice_addons.errors import ConfigError, DamagedError, HyperStateError, RonError
from lattice_addons.storage import LocalStore
from tests.unit.hyperstate.runs import damage, load, stepped

STATE = """\
step: 2
best: 0.5
mode: GOOD
empty: []
seen: {}
weights:
  blob: weights
more: []
"""


@pytest.fixture(autouse=True)
def _job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LATTICE_JOB_ID", "run")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make a run of two steps, and view it."""
    run = load(tmp_path)
    stepped(run, 1.0, 2.0)
    run.view(tmp_path / "view")
    run.close()
    return tmp_path / "view"


def editor(tmp_path: Path, *edits: tuple[str, str]) -> str:
    """Give the command of an editor that makes these edits in every file, and fails when it finds nothing to do."""
    script = tmp_path / "editor.py"
    script.write_text(
        "import pathlib, sys\n"
        f"edits = {edits!r}\n"
        "for old, new in edits:\n"
        "    for path in map(pathlib.Path, sys.argv[1:]):\n"
        "        path.write_text(path.read_text().replace(old, new))\n"
    )
    return f"{sys.executable} {script}"


def test_what_it_shows(folder: Path) -> None:
    """Two texts, the blobs, and their digests; arrays are files that NumPy reads."""
    assert (folder / "state.yaml").read_text().replace('"', "") == STATE
    assert "lr: 0.5" in (folder / "config.yaml").read_text()
    assert np.load(folder / "weights.npy")[0] == 2.0
    assert "digest: " in (folder / "blobs.yaml").read_text()


@pytest.mark.parametrize(("form", "error"), [("json", ConfigError), ("ron", RonError)])
def test_a_text_that_no_file_can_say(tmp_path: Path, form: str, error: type[HyperStateError]) -> None:
    """It is in a checkpoint, as a file's name that is no UTF-8 may be; YAML can say it."""
    run = load(tmp_path)
    run.state.seen = {1: "\udcff"}
    run.step()
    with pytest.raises(error, match="character"):
        run.view(tmp_path / "view", form)
    run.view(tmp_path / "view")
    run.close()
    other = tmp_path / "other"
    other.mkdir()
    run = load(other, path=tmp_path / "view")
    run.close()
    assert run.state.seen == {1: "\udcff"}


@pytest.mark.parametrize("form", ["ron", "json", "yaml"])
def test_another_run_begins_with_it(folder: Path, tmp_path: Path, form: str) -> None:
    """`path` of load may be such a folder, in any form, with what a person has changed there."""
    run = load(tmp_path)
    run.view(folder, form)
    run.close()
    text = folder / f"state.{form}"
    text.write_text(text.read_text().replace("2", "20", 1))
    other = tmp_path / "other"
    other.mkdir()
    run = load(other, path=folder)
    assert (run.state.step, run.config.optimizer.lr, run.config.batch) == (20, 0.5, 16)
    run.step()
    run.close()
    again = load(other, path=folder)
    assert again.state.weights.get()[0] == 2.0
    again.close()


def test_a_damaged_file_of_a_blob_is_named(folder: Path, tmp_path: Path) -> None:
    """Unless a person says that it is meant: then it counts as it is."""
    (tmp_path / "other").mkdir()
    damage(folder / "weights.npy")
    with pytest.raises(DamagedError, match=r"blob 'weights'.*take its `digest` out"):
        load(tmp_path / "other", path=folder)
    assert main(["edit", "--commit", str(folder)]) == 65


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        ("weights: {type: numpy.ndarray}\n", "blobs.yaml:1: weights.file: expected a text, found nothing"),
        ("weights:\n  file: [1]\n", "blobs.yaml:2: weights.file: expected a text, found [1]"),
        (
            "weights: weights.npy\n",
            "blobs.yaml:1: weights: expected BlobFile(file, digest), found 'weights.npy'",
        ),
        ("- weights\n", "blobs.yaml:1: expected a mapping"),
        ("weights: {file: ''}\n", "blob 'weights': its file"),
        ("weights: {file: state.npy}\n", "state.npy is no file of an array"),
    ],
)
def test_a_list_of_blobs_that_says_too_little_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], listed: str, told: str
) -> None:
    """With its line, or the file that it names and that is none."""
    (folder / "state.npy").write_bytes(b"no array")
    (folder / "blobs.yaml").write_text(listed)
    assert main(["edit", "--commit", str(folder)]) == 65
    assert told in capsys.readouterr().err


def test_a_run_has_what_it_began_with(folder: Path, tmp_path: Path) -> None:
    """Whatever becomes of the folder's files afterwards, such as by another view."""
    (tmp_path / "other").mkdir()
    run = load(tmp_path / "other", path=folder)
    weights = run.state.weights.get()
    np.save(folder / "weights.npy", np.zeros(20_000))
    assert weights.tolist() == [2.0] * 20_000
    run.close()


def test_a_blob_is_a_file_of_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a name that leads elsewhere, in a store that somebody else has written, there is no file."""
    line = Line(LocalStore(tmp_path / "store"), "job", 0, settings=Settings())
    slots = {"config": {}, "state": {}, "blob.../evil": np.zeros(3)}
    made = {name: Fresh("BlobManager", encode(value)) for name, value in slots.items()}
    line.commit(made, parent=None, reason="manual")
    line.release()
    root = str(tmp_path / "store")
    assert main(["edit", "job", "--root", root, "--view", str(tmp_path / "in" / "view")]) == 65
    assert "'../evil' is no name of a blob" in capsys.readouterr().err
    assert [*tmp_path.rglob("evil*")] == []


def test_a_folder_is_not_committed_elsewhere(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A store that is not there any more is not taken for the one of this place, unless that is said."""
    (tmp_path / "checkpoints").rename(tmp_path / ".lattice")
    monkeypatch.chdir(tmp_path)
    state = folder / "state.yaml"
    state.write_text(state.read_text().replace("best: 0.5", "best: 3"))
    assert main(["edit", "--commit", str(folder)]) == 66
    assert f"a checkpoint in {tmp_path / 'checkpoints'}, not in" in capsys.readouterr().err
    assert main(["edit", "--commit", str(folder), "--root", ".lattice"]) == 0


def test_commit_of_a_folder(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was changed is told field by field, and a blob that was replaced on purpose is taken."""
    state = folder / "state.yaml"
    state.write_text(state.read_text().replace("best: 0.5", "best: 3"))
    np.save(folder / "weights.npy", np.full(5, 8.0))
    blobs = (folder / "blobs.yaml").read_text().splitlines()
    (folder / "blobs.yaml").write_text("\n".join(line for line in blobs if "digest" not in line))
    assert main(["edit", "--commit", str(folder)]) == 0
    told = capsys.readouterr().out
    assert "state.best: 0.5 → 3.0" in told
    assert "blob weights: replaced" in told
    run = load(tmp_path)
    assert (run.state.best, run.state.weights.get().tolist()) == (3.0, [8.0] * 5)
    run.close()


@pytest.mark.usefixtures("folder")
def test_an_edit_keeps_the_hyper_parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that the program declares are carried on from what a checkpoint has of them, also from an edit."""
    line = Line(LocalStore(tmp_path / "checkpoints"), "run", settings=Settings())
    newest = line.newest()
    assert newest is not None
    values = {"m": {"lr": 0.5}}
    line.commit(dict(newest.slots.items()), parent=newest.number, reason="manual", hyperparams=values)
    line.release()
    monkeypatch.setenv("VISUAL", editor(tmp_path, ("lr: 0.5", "lr: 1")))
    assert main(["edit", "--root", str(tmp_path / "checkpoints"), "run"]) == 0
    newest = line.newest()
    assert newest is not None
    assert (newest.reason, newest.hyperparams) == ("edit", values)


@pytest.mark.usefixtures("folder")
def test_edit_in_an_editor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It becomes the next checkpoint, with its diff in the log; without a change there is none."""
    root = ["--root", str(tmp_path / "checkpoints")]
    monkeypatch.setenv("VISUAL", editor(tmp_path, ("lr: 0.5", "lr: 1"), ("step: 2", "step: 7")))
    assert main(["edit", *root, "run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["changes"] == ["config.optimizer.lr: 0.5 → 1.0", "state.step: 2 → 7"]
    assert main(["log", *root, "--json"]) == 0
    newest = json.loads(capsys.readouterr().out)[0]
    assert newest["reason"] == "edit"
    assert newest["notes"] == ["edited config.optimizer.lr: 0.5 → 1.0", "edited state.step: 2 → 7"]
    assert main(["edit", *root, "run@3"]) == 0
    assert "nothing was changed" in capsys.readouterr().out
    run = load(tmp_path)
    assert (run.state.step, run.config.optimizer.lr, run.state.weights.get()[0]) == (7, 1.0, 2.0)
    run.close()


@pytest.mark.usefixtures("folder")
def test_an_editor_that_fails_takes_no_texts_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told where they are, for whoever had written an hour."""
    monkeypatch.setenv("VISUAL", "false")
    assert main(["edit", "--root", str(tmp_path / "checkpoints"), "run"]) == 1
    kept = Path(capsys.readouterr().err.strip().rpartition("the texts are kept in ")[2])
    assert (kept / "config.yaml").is_file()
    shutil.rmtree(kept)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (("step: 2", "stepp: 2"), "did you mean 'step'"),
        (("best: 0.5", "best: high"), "state.best: expected a float"),
        (("batch: 16", "batch: 16.5"), "config.batch: expected an int"),
        (("lr: 0.5", "lr: ["), "config.yaml"),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    edit: tuple[str, str],
    told: str,
) -> None:
    """Nothing is committed, all faults are told, and the edited texts are kept."""
    monkeypatch.setenv("VISUAL", editor(tmp_path, edit))
    assert main(["edit", "--root", str(tmp_path / "checkpoints"), "run"]) == 65
    errors = capsys.readouterr().err
    assert told in errors
    assert "kept in" in errors
    assert load(tmp_path).state.step == 2


@pytest.mark.usefixtures("folder")
def test_an_edit_that_the_program_does_not_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Only its classes can tell: it then carries on from the checkpoint before, and says why."""
    monkeypatch.setenv("VISUAL", editor(tmp_path, ("mode: GOOD", "mode: BEST")))
    assert main(["edit", "--root", str(tmp_path / "checkpoints"), "run"]) == 0
    run = load(tmp_path)
    assert run.state.step == 2
    assert "went back from checkpoint 3 to 2" in caplog.text
    assert "FAST, GOOD" in caplog.text
    run.close()


@pytest.mark.usefixtures("folder")
def test_not_while_a_program_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would go on from what it has in memory, over the edit."""
    run = load(tmp_path)
    monkeypatch.setenv("VISUAL", editor(tmp_path, ("step: 2", "step: 3")))
    assert main(["edit", "--root", str(tmp_path / "checkpoints"), "run"]) == 75
    assert "written by process" in capsys.readouterr().err
    run.close()
