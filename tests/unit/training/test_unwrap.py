"""A wrapped model has the state of the one within, whatever wraps it and wherever."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="what is unwrapped is a torch module")

import torch

from lattice_addons.training import unwrapped

pytestmark = pytest.mark.frameworks


def model() -> torch.nn.Sequential:
    """Make a model with a buffer and versions of its parts."""
    return torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))


def test_what_is_not_wrapped_is_given_as_it_is() -> None:
    """A model, and anything else, too: also one that has a part called ``module``."""
    plain = model()
    plain.module = torch.nn.Linear(1, 1)
    assert unwrapped(plain) is plain
    assert unwrapped(None) is None
    assert unwrapped(3) == 3


def test_wrappers_come_off_one_after_another() -> None:
    """Compiled and parallel, in any order."""
    plain = model()
    assert unwrapped(torch.compile(plain)) is plain
    assert unwrapped(torch.nn.DataParallel(torch.compile(plain))) is plain
    assert unwrapped(torch.compile(torch.nn.DataParallel(plain))) is plain


def test_a_model_of_one_process_group(tmp_path: object) -> None:
    """``DistributedDataParallel`` is a wrapper, too."""
    distributed = torch.distributed
    if not distributed.is_available():
        pytest.skip("this torch has no distributed part")
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    try:
        plain = model()
        assert unwrapped(torch.nn.parallel.DistributedDataParallel(plain)) is plain
    finally:
        distributed.destroy_process_group()


def test_parts_that_are_wrapped() -> None:
    """A model of which a part is compiled has plain names, and takes them back, versions and all."""
    plain, mixed = model(), model()
    mixed[0] = torch.compile(mixed[0])
    bare = unwrapped(mixed)
    state, wanted = bare.state_dict(), plain.state_dict()
    assert list(state) == list(wanted)
    assert dict(state._metadata) == dict(wanted._metadata)
    assert not torch.equal(mixed[0].weight, plain[0].weight)
    told = bare.load_state_dict(wanted)
    assert not told.missing_keys
    assert not told.unexpected_keys
    assert torch.equal(mixed[0].weight, plain[0].weight)
    assert bare.training is True  # in all else it is the model


def test_keys_that_do_not_fit_are_told_by_their_plain_names() -> None:
    """What is missing or unexpected has the name that a person knows."""
    mixed = model()
    mixed[0] = torch.compile(mixed[0])
    with pytest.raises(RuntimeError, match="nowhere"):
        unwrapped(mixed).load_state_dict({"nowhere": torch.ones(1)}, strict=True)
