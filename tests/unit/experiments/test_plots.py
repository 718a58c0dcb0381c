"""Results are drawn against the fields in which runs differ: as text, and as a picture."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.errors import ExperimentError, MissingExtraError
from lattice_addons.experiments import Experiment, Place, Record, draw_results, paint_results, search
from lattice_addons.experiments._chart import Axis, chart_of

if TYPE_CHECKING:
    from pathlib import Path


class Tuned(Experiment):
    """Two fields are searched; many learning rates, and two optimizers."""

    objective = "loss"
    lr: float = search(*(10 ** (-5 + number / 4) for number in range(17)))
    opt: str = search("adam", "sgd")
    steps: int = 10


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give a place in which all were run; one failed, one gave no number."""
    root = str(tmp_path_factory.mktemp("plots"))
    records = []
    for number, setting in enumerate(Tuned()):
        result: dict[str, Any] = {
            "loss": setting.lr * (2 if setting.opt == "sgd" else 1),
            "acc": 0.5,
            "note": "x",
        }
        failed = number == 3
        result["loss"] = float("nan") if number == 4 else result["loss"]
        records.append(
            Record(
                setting.identity,
                setting.name,
                setting.as_dict(),
                "failed" if failed else "done",
                1e9,
                1e9 + 1 + number,
                "host",
                1,
                rows=[]
                if failed
                else [{**result, "loss": {"float": "nan"} if number == 4 else result["loss"]}],
            )
        )
    Place(Tuned, root).journal().add_many(records)
    return root


def test_the_objective_is_drawn_against_what_was_searched(root: str) -> None:
    """A dot for each of many numbers, a bar for each of few points; what is left out is told."""
    drawn = draw_results(Tuned, root=root)

    by_rate, by_name = drawn.split("loss against opt")
    assert by_rate.startswith("loss against lr")
    assert "lr (powers)" in by_rate
    assert by_rate.count("│") == 12
    assert "adam █" in by_name
    assert "sgd █" in by_name
    assert "16 runs)" in by_name
    assert drawn.endswith("\n2 runs without a number are left out\n")
    assert "steps" not in drawn


def test_bars_are_as_long_as_the_means(root: str) -> None:
    """One optimizer has twice the loss of the other, on the same points."""
    lines = draw_results(Tuned, "acc", against="opt", root=root, width=80).splitlines()

    adam, sgd = (line.count("█") for line in lines if line.strip().startswith(("adam", "sgd")))
    assert adam == sgd > 20


def test_a_terminal_without_unicode_is_enough(root: str) -> None:
    """Every character is ASCII, and no line is longer than asked for."""
    for parallel in (False, True):
        drawn = draw_results(Tuned, root=root, parallel=parallel, only_ascii=True, width=60)
        assert drawn.isascii()
        assert max(map(len, drawn.splitlines())) <= 60


def test_parallel_coordinates_show_the_best_runs(root: str) -> None:
    """An axis for each field and one for the metric, with what stands at its ends."""
    drawn = draw_results(Tuned, root=root, parallel=True)

    title, _, names, tops, *_, bottoms = drawn.splitlines()[:-2]
    assert title == "Tuned: the best 30 of 32 runs"
    assert names.split() == ["lr", "opt", "loss"]
    assert tops.split() == ["0.1", "sgd", "0.2"]
    assert bottoms.split() == ["1e-05", "adam", "1e-05"]


@pytest.mark.one_python
@pytest.mark.parametrize("parallel", [False, True])
def test_a_picture_is_a_png(root: str, tmp_path: Path, parallel: bool) -> None:
    """Of a size that can be looked at, and with something in it."""
    pytest.importorskip("matplotlib")
    path = tmp_path / "plot.png"

    paint_results(Tuned, path, root=root, parallel=parallel)

    content = path.read_bytes()
    width, height = struct.unpack(">II", content[16:24])
    assert content.startswith(b"\x89PNG")
    assert width > height > 300
    assert len(content) > 10_000


def test_without_matplotlib_it_is_said_what_to_install(
    root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text can be drawn all the same."""
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match="pip install 'matplotlib'"):
        paint_results(Tuned, tmp_path / "plot.png", root=root)
    assert draw_results(Tuned, root=root)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "los"}, "did you mean loss"),
        ({"metric": "note"}, "there are loss, acc"),
        ({"against": "lrr"}, "did you mean lr"),
    ],
)
def test_a_column_that_is_not_there_is_told(root: str, options: dict[str, str], message: str) -> None:
    """With those that are."""
    with pytest.raises(ExperimentError, match=message):
        draw_results(Tuned, root=root, **options)  # type: ignore[arg-type] # texts, both


def test_nothing_to_draw_is_told(tmp_path: Path) -> None:
    """Instead of an empty picture."""
    with pytest.raises(ExperimentError, match="no run of Tuned has returned a number"):
        draw_results(Tuned, root=str(tmp_path))


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ([1, 2, 3], [0, 0.5, 1]),
        ([0.001, 1, 0.1], [0, 1, 2 / 3]),
        (["b", "a", "c"], [0.5, 0, 1]),
        ([True, False], [1, 0]),
        ([5, 5], [0.5, 0.5]),
        ([-1e308, 1e308], [0, 1]),
        ([None, "x"], [1, 0]),
        ([2.0, float("inf"), 1.0], [0.5, 1, 0]),
    ],
)
def test_values_have_places_on_an_axis(values: list[Any], places: list[float]) -> None:
    """Numbers by their distances, or those of their powers; all else in order."""
    assert Axis("x", values).places() == pytest.approx(places)


def test_runs_that_are_not_done_are_counted(root: str) -> None:
    """The chart has the others."""
    chart = chart_of(Tuned, None, None, root)
    assert (len(chart.metric.values), chart.left_out, chart.minimize) == (32, 2, True)
    assert [axis.name for axis in chart.axes] == ["lr", "opt"]
