"""Estimators and pytrees come back into what the program has, or say by name what does not fit."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.errors import DecodeError, StateMismatchError, UnkeepableError
from lattice_addons.integrations._leaves import Leaves

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.frameworks


def group_at(folder: Path, **settings: Any) -> StateManagerGroup:
    """Make a group of the job that is there."""
    return StateManagerGroup(Settings(root=str(folder), **settings))


def save_and_close(group: StateManagerGroup) -> None:
    """End a first process."""
    group.save()
    group.close()


def test_an_estimator(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The object stays the program's; another class is refused, another parameter is told."""
    linear = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
    model = linear.SGDClassifier(alpha=0.1, random_state=3).partial_fit(
        [[0.0], [1.0]], [0, 1], classes=[0, 1]
    )
    group = group_at(tmp_path)
    group.track(model=model)
    save_and_close(group)

    group = group_at(tmp_path)
    again = linear.SGDClassifier(alpha=0.2, random_state=3)
    with caplog.at_level(logging.WARNING, "lattice_addons.integrations.sklearn"):
        group.track(model=again)
    assert again.coef_.tobytes() == model.coef_.tobytes()
    assert "alpha=0.1 (the program says 0.2)" in caplog.text
    group.close()

    group = group_at(tmp_path)
    with pytest.raises(DecodeError, match="SGDClassifier is stored"):
        group.track(model=linear.Perceptron())
    group.close()


def test_a_parameter_that_is_not_a_number_has_not_changed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """NaN stands for what is missing, and is not equal to itself."""
    impute = pytest.importorskip("sklearn.impute", reason="scikit-learn is not installed")
    for _ in range(2):
        group = group_at(tmp_path)
        group.track(model=impute.SimpleImputer())
        save_and_close(group)
    assert caplog.text == ""


def test_an_array_of_another_order_of_bytes() -> None:
    """Its numbers are what they were; of records a name of their type does not say enough."""
    leaves = Leaves()
    swapped = np.array([1, 2], np.dtype("i4").newbyteorder())
    leaves.put_array("swapped", swapped)
    assert leaves.array("swapped").tolist() == [1, 2]
    assert leaves.array("swapped").dtype == swapped.dtype
    with pytest.raises(UnkeepableError, match="an array of records"):
        leaves.put_array("records", np.zeros(2, [("x", "i4"), ("y", "f4")]))


def test_a_pytree(tmp_path: Path) -> None:
    """Every leaf has its type, weakness and key again, without pickle; another layout is told by path."""
    jax = pytest.importorskip("jax", reason="JAX is not installed")
    from jax import numpy as jnp

    from lattice_addons.integrations.jax import carry_on

    def tree(scale: int) -> dict[str, Any]:
        return {
            "bf16": jnp.full((3,), scale, jnp.bfloat16),
            "weak": jnp.full((2,), 1.5 * scale),
            "key": jax.random.split(jax.random.key(scale), 2),
            "empty": jnp.zeros((0, 2)),
            "bits": jnp.array([True, False]) ^ (scale == 2),
            "plain": [scale, "text", None],
            "complex": jnp.array([1j * scale]),
        }

    group = group_at(tmp_path, trust="safe")
    carry_on(tree(2), group=group)
    save_and_close(group)

    group = group_at(tmp_path, trust="safe")
    back, wanted = carry_on(tree(1), group=group), tree(2)
    assert jax.tree.structure(back) == jax.tree.structure(wanted)
    for mine, theirs in zip(jax.tree.leaves(back), jax.tree.leaves(wanted), strict=True):
        assert getattr(mine, "aval", mine) == getattr(theirs, "aval", theirs)
        if isinstance(mine, jax.Array) and jnp.issubdtype(mine.dtype, jax.dtypes.prng_key):
            mine, theirs = jax.random.key_data(mine), jax.random.key_data(theirs)  # noqa: PLW2901 - their numbers
        assert mine == theirs if isinstance(mine, (int, str)) else mine.tobytes() == theirs.tobytes()
    group.close()

    group = group_at(tmp_path, trust="safe")
    other = tree(1) | {"bf16": jnp.zeros(4), "more": jnp.zeros(1)}
    with pytest.raises(
        StateMismatchError, match=r"\['bf16'\] \(stored bfloat16\[3\], here float32\[4\]\)"
    ) as caught:
        carry_on(other, group=group)
    assert caught.value.missing == ["['more']"]
    group.close()
