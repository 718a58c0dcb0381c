"""JAX that was killed has the bits of JAX that was left alone."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.killed import ends_alike

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("jax", reason="JAX is not installed")
pytest.importorskip("flax", reason="Flax is not installed")
pytest.importorskip("optax", reason="Optax is not installed")
pytestmark = pytest.mark.frameworks

# Flax's TrainState, with functions in it; Optax's moments; a key; rows on two devices; a step that takes the memory of
# the state before for the next one.
PYTREE = """
    import hashlib
    from functools import partial
    import jax, optax
    from flax import linen
    from flax.training.train_state import TrainState
    from jax import numpy as jnp
    from jax.sharding import NamedSharding, PartitionSpec
    from lattice_addons import StateManagerGroup
    from lattice_addons.integrations.jax import carry_on

    rows = NamedSharding(jax.make_mesh((2,), ("rows",)), PartitionSpec("rows"))
    model = linen.Dense(4)
    params = model.init(jax.random.key(0), jnp.zeros((1, 3)))
    begin = {
        "train": TrainState.create(apply_fn=model.apply, params=params, tx=optax.adamw(0.05)),
        "key": jax.random.key(7),
        "noise": jax.device_put(jnp.zeros((4, 3), jnp.bfloat16), rows),
        "seen": 0.0,
        "mean": jnp.zeros(3, jnp.bfloat16),  # as float32 from the first step on
    }

    @partial(jax.jit, donate_argnums=0)
    def advance(state):
        key, now = jax.random.split(state["key"])
        inputs = jax.random.normal(now, (4, 3))
        def loss(params):
            return ((state["train"].apply_fn(params, inputs + state["noise"]) - inputs.sum()) ** 2).mean()
        gradients = jax.grad(loss)(state["train"].params)
        noise = (state["noise"] * 0.5 + inputs).astype(jnp.bfloat16)
        return {
            "train": state["train"].apply_gradients(grads=gradients), "key": key,
            "noise": jax.lax.with_sharding_constraint(noise, rows), "seen": state["seen"] + 1,
            "mean": state["mean"] + inputs.mean(0),
        }

    group = StateManagerGroup()
    with jax.set_mesh(rows.mesh):
        state = carry_on(begin)
        assert state["noise"].sharding == rows, state["noise"].sharding
        for step in group.resume(range(40), "steps"):
            state = advance(state)
            group.update("state", state)
            if step % 10 == 5:
                group.save()
            print("step", step, flush=True)
    print("types", [(leaf.dtype.name, getattr(leaf, "weak_type", None)) for leaf in jax.tree.leaves(state)])
    bits = b"".join(leaf.tobytes() for leaf in jax.device_get(
        jax.tree.leaves((state["train"], state["noise"], state["mean"]))))
    print("bits", hashlib.sha256(bits + jax.random.key_data(state["key"]).tobytes()).hexdigest())
"""

NNX = """
    import hashlib
    import jax, optax
    from flax import nnx
    from jax import numpy as jnp
    from lattice_addons import StateManagerGroup

    class Model(nnx.Module):
        def __init__(self, rngs):
            self.inner, self.outer = nnx.Linear(3, 8, rngs=rngs), nnx.Linear(8, 1, param_dtype=jnp.bfloat16, rngs=rngs)
            self.norm, self.drop = nnx.BatchNorm(8, rngs=rngs), nnx.Dropout(0.2, rngs=rngs)

        def __call__(self, inputs):
            return self.outer(self.drop(self.norm(nnx.relu(self.inner(inputs)))))

    model = Model(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, optax.adam(0.01), wrt=nnx.Param)
    data = nnx.Rngs(5)
    group = StateManagerGroup()
    group.track(model=model, optimizer=optimizer, data=data)

    @nnx.jit
    def advance(model, optimizer, data):
        inputs = jax.random.normal(data(), (16, 3))
        gradients = nnx.grad(lambda model: ((model(inputs) - inputs.sum(1, keepdims=True)) ** 2).mean())(model)
        # The moments of bfloat16 become float32 in the first step.
        optimizer.update(model, jax.tree.map(lambda each: each.astype(jnp.float32), gradients))

    for step in group.resume(range(40), "steps"):
        advance(model, optimizer, data)
        print("step", step, flush=True)
    found = jax.tree.leaves((nnx.state(model, nnx.Param, nnx.BatchStat), nnx.state(optimizer)))
    print("bits", hashlib.sha256(b"".join(leaf.tobytes() for leaf in jax.device_get(found))).hexdigest())
"""

# Imported before they are forked, and not used.
MODULES = ("jax", "flax.linen", "flax.nnx", "optax")


def test_a_pytree(tmp_path: Path) -> None:
    """Types, keys and shardings come back as they were, and with them the bits."""
    flags = "--xla_force_host_platform_device_count=2 --xla_cpu_multi_thread_eigen=false"
    kills = [("step 8", signal.SIGKILL), ("step 12", signal.SIGTERM)]
    alone, after = ends_alike(tmp_path, PYTREE, MODULES, kills, last=2, XLA_FLAGS=flags)
    assert "step 5" not in after
    assert "bfloat16" in alone[-2]


def test_objects_of_nnx(tmp_path: Path) -> None:
    """A module, its optimizer and its generators are tracked, and are what they were at once."""
    _, after = ends_alike(tmp_path, NNX, MODULES, [("step 8", signal.SIGTERM)])
    assert "step 7" not in after
