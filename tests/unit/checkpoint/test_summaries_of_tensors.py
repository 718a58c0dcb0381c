"""Tensors are summarized wherever they stand: in state dicts, in modules, as views, and of torch's own types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch", reason="tensors are torch's")

from tests.unit.checkpoint.lines import line_of, save  # noqa: E402 - after the skip

if TYPE_CHECKING:
    from lattice_addons.checkpoint import Summary
    from lattice_addons.storage import Store

pytestmark = pytest.mark.frameworks


def told(store: Store, value: object) -> dict[str, Summary]:
    """Give the summaries of a value, as they are read, by path."""
    line = line_of(store)
    save(line, value=value)
    return {summary.path: summary for summary in line.load(1).slots["value"].summaries}


def test_a_state_dict(store: Store) -> None:
    """Each tensor by its name, small ones that are stored together as well."""
    model = torch.nn.Sequential(torch.nn.Linear(300, 200), torch.nn.Linear(200, 2))
    state = model.state_dict()
    found = told(store, {"model": state, "step": 3})
    assert set(found) == {f"['model']['{name}']" for name in state}
    for name, tensor in state.items():
        summary = found[f"['model']['{name}']"]
        assert summary.shape == tuple(tensor.shape)
        assert summary.dtype == "float32"
        assert summary.low is not None
        assert summary.high is not None
        assert tensor.min() - 1e-6 <= summary.low <= summary.high <= tensor.max() + 1e-6
        if tensor.numel() <= 2048:
            assert summary.whole
            assert summary.mean == pytest.approx(tensor.mean().item(), abs=1e-6)


def test_types_and_views(store: Store) -> None:
    """bfloat16 by its own rule, a view by the part it shows; of what has gaps, or is sparse, the shape alone."""
    base = torch.arange(100.0)
    found = told(
        store,
        {
            "bf": torch.tensor([1.5, -2.0, float("inf")], dtype=torch.bfloat16),
            "half": torch.tensor([0.25], dtype=torch.float16),
            "long": torch.tensor([2**40, -1]),
            "yes": torch.tensor([True, False, True, True]),
            "tail": base[90:],
            "turned": torch.arange(6.0).reshape(2, 3).T,
            "gaps": base[::2],
            "sparse": torch.eye(3).to_sparse(),
            "complex": torch.ones(2, dtype=torch.complex64),
        },
    )
    assert (found["['bf']"].low, found["['bf']"].high, found["['bf']"].nonfinite) == (-2, 1.5, 1)
    assert found["['half']"].mean == 0.25
    assert found["['long']"].high == 2**40
    assert found["['yes']"].mean == 0.75
    assert (found["['tail']"].low, found["['tail']"].high) == (90, 99)
    assert (found["['turned']"].shape, found["['turned']"].high) == ((3, 2), 5)
    for name in ("gaps", "sparse", "complex"):
        assert found[f"['{name}']"].sampled == 0, name
    assert found["['sparse']"].shape == (3, 3)


def test_a_module_that_is_pickled(store: Store) -> None:
    """By the attributes that lead to its parameters."""
    layer = torch.nn.Linear(100, 200)
    found = told(store, [layer])
    summary = found["[0]._parameters['weight']"]
    assert (summary.shape, summary.dtype) == ((200, 100), "float32")
    assert summary.low is not None
    assert summary.high is not None
    assert layer.weight.min() <= summary.low < 0 < summary.high <= layer.weight.max()
