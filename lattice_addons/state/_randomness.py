"""The states of random generators are plain data: anybody can read them, and only who uses a library needs it."""

# ruff: noqa: ANN401 - generators and their states are of any type; who made them says which.

from __future__ import annotations

import logging
import sys
from binascii import a2b_base64, b2a_base64
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from lattice_addons.errors import DecodeError, UnkeepableError

from ._manager import NOTHING, NoValue, StateManager

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RandomManager", "RandomnessManager"]

_log = logging.getLogger("lattice_addons.state")


class RandomManager(StateManager):
    """Bind one generator: a ``random.Random``, a NumPy ``Generator`` or ``RandomState``, a ``torch.Generator``."""

    __module__ = "lattice_addons.state"

    restore_first = True
    # A generator that is older than the values beside it would give numbers twice.
    takes_older = False
    ranks: ClassVar[str] = "per-rank"
    _bound: Any = None

    def hold(self, value: object) -> None:
        """Bind a generator, and let it go on where the stored one was.

        Raises:
            UnkeepableError: it has no state that can be kept.
            DecodeError: the stored state is that of another kind of generator.
        """
        if value is self._bound:
            return
        _state_of(value)
        if self._held is not NOTHING:
            _give(value, self._held)
        self._bound, self._held = value, NOTHING

    def capture(self) -> object:
        """Give the state of the bound generator, or what was restored, or raise `NoValue`."""
        return super().capture() if self._bound is None else _state_of(self._bound)

    def restore(self, stored: object) -> None:
        """Take back a state; the generator that is bound goes on from it, now or when there is one."""
        if self._bound is None:
            super().restore(stored)
        else:
            _give(self._bound, stored)

    def value(self) -> object:
        """Give the bound generator, or the stored state before there is one, or raise `NoValue`."""
        return super().capture() if self._bound is None else self._bound


class RandomnessManager(StateManager):
    """Keep the states of the generators that a process has of itself: Python's, NumPy's, and torch's on each device.

    Those of a library count once it is imported. What is restored goes into them at once.
    """

    __module__ = "lattice_addons.state"

    restore_first = True
    takes_older = False
    ranks: ClassVar[str] = "per-rank"
    _watching = False

    def watch(self) -> None:
        """Keep the states from now on; before, there is nothing to be kept."""
        self._watching = True

    def hold(self, value: object) -> None:
        """Let the generators go on from states that an earlier `capture` gave."""
        self.restore(value)

    def capture(self) -> object:
        """Give the states of all generators that are there, or raise `NoValue`."""
        if not self._watching:
            raise NoValue
        states: dict[str, object] = {}
        for name, (get, _) in _GLOBAL.items():
            module = sys.modules.get(name)
            # One that another thread is importing has no state yet that anybody could have used.
            if module is not None and not getattr(getattr(module, "__spec__", None), "_initializing", False):
                states[name] = get(module)
        return states

    def restore(self, stored: object) -> None:
        """Let the generators go on from these states.

        Raises:
            DecodeError: they are none.
        """
        try:
            for name, state in dict(stored).items():  # type: ignore[call-overload]
                _restore_global(name, state)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise _no_state("the process", error) from error
        self._watching = True


def _restore_global(name: str, state: Any) -> None:
    if name not in _GLOBAL:
        _log.warning("the state of %s is stored, and this version knows no such generator", name)
        return
    try:
        # The program may import it only later, and then its first number must be the one that was due.
        module = import_module(name)
    except ImportError as error:
        _log.warning("the random state of %s is stored, and it cannot be imported (%s)", name, error)
        return
    _GLOBAL[name][1](module, state)


def _state_of(generator: Any) -> dict[str, Any]:
    kind = type(generator)
    try:
        if hasattr(generator, "bit_generator"):
            return _of_bits(generator.bit_generator)
        if hasattr(generator, "getstate"):
            return {"random": list(_listed(generator.getstate()))}
        if hasattr(generator, "initial_seed"):
            return {"torch": _text(generator.get_state()), "device": str(generator.device)}
        return {"numpy": _plain(generator.get_state(legacy=False))}
    except (AttributeError, NotImplementedError, TypeError, ValueError, RuntimeError) as error:
        message = f"{kind.__module__}.{kind.__qualname__} has no state that can be kept ({error})"
        raise UnkeepableError(message) from error


def _give(generator: Any, stored: Any) -> None:
    try:
        if hasattr(generator, "bit_generator"):
            _give_bits(generator.bit_generator, stored)
        elif hasattr(generator, "getstate"):
            generator.setstate(_tupled(stored["random"]))
        elif hasattr(generator, "initial_seed"):
            generator.set_state(_tensor(sys.modules["torch"], stored["torch"]))
        else:
            generator.set_state(_unplain(stored["numpy"]))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise _no_state(type(generator).__name__, error) from error


def _of_bits(bits: Any) -> dict[str, Any]:
    found = {"numpy": _plain(bits.state)}
    # What the next children come from, of `spawn`; a seed of the program's own kind has no state that could be told.
    seed = getattr(getattr(bits, "seed_seq", None), "state", None)
    if isinstance(seed, dict):
        found["seed"] = _plain(seed) | {"spawn_key": list(seed["spawn_key"])}
    return found


def _give_bits(bits: Any, stored: Any) -> None:
    state = _unplain(stored["numpy"])
    # NumPy 1 takes no seed; what an earlier version stored has none.
    if "seed" not in stored or not isinstance(bits.__getstate__(), tuple):
        bits.state = state
        return
    seed = import_module("numpy.random").SeedSequence(**_unplain(stored["seed"]))
    bits.__setstate__((state, seed))


def _no_state(whose: str, error: Exception) -> DecodeError:
    message = (
        f"what is stored is no random state of {whose} ({type(error).__name__}: {error}): track the same kind of "
        "generator under this name as before, or choose another name"
    )
    return DecodeError(message, type=whose)


def _listed(state: tuple[Any, ...]) -> list[Any]:
    version, words, gauss = state
    return [version, list(words), gauss]


def _tupled(state: Any) -> tuple[Any, ...]:
    version, words, gauss = state
    return version, tuple(words), gauss


def _plain(state: Any) -> Any:
    """Make plain data of what NumPy gives: its arrays, in dicts, are of small numbers."""
    if isinstance(state, dict):
        return {name: _plain(value) for name, value in state.items()}
    if hasattr(state, "tolist"):
        return {"array": state.tolist(), "dtype": str(state.dtype)} if state.ndim else state.item()
    return state


def _unplain(state: Any) -> Any:
    if isinstance(state, dict):
        if state.keys() == {"array", "dtype"}:
            return import_module("numpy").array(state["array"], dtype=state["dtype"])
        return {name: _unplain(value) for name, value in state.items()}
    return state


def _text(state: Any) -> str:
    return b2a_base64(bytes(state.tolist()), newline=False).decode()


def _tensor(torch: Any, text: str) -> Any:
    return torch.tensor(list(a2b_base64(text)), dtype=torch.uint8, device="cpu")


# -- the generators of the process


def _get_python(module: Any) -> Any:
    return _listed(module.getstate())


def _set_python(module: Any, state: Any) -> None:
    module.setstate(_tupled(state))


def _get_numpy(module: Any) -> Any:
    return _plain(module.get_state(legacy=False))


def _set_numpy(module: Any, state: Any) -> None:
    module.set_state(_unplain(state))


def _get_torch(torch: Any) -> Any:
    states: dict[str, Any] = {"cpu": _text(torch.get_rng_state())}
    for name in ("cuda", "xpu"):
        device = getattr(torch, name, None)
        # Asked only where the program has used it: to ask would begin to use it. Until then it was only seeded.
        if device is not None and getattr(device, "is_initialized", bool)():
            states[name] = [_text(device.get_rng_state(number)) for number in range(device.device_count())]
    if getattr(torch.backends, "mps", None) is not None and torch.backends.mps.is_available():
        states["mps"] = _text(torch.mps.get_rng_state())
    return states


def _set_torch(torch: Any, states: Any) -> None:
    torch.set_rng_state(_tensor(torch, states["cpu"]))
    for name in ("cuda", "xpu"):
        # Only where there is something to set: once a process has asked for its devices, its forks can use none.
        if states.get(name):
            _set_devices(torch, name, states[name])
    if "mps" in states and torch.backends.mps.is_available():
        torch.mps.set_rng_state(_tensor(torch, states["mps"]))


def _set_devices(torch: Any, name: str, states: list[str]) -> None:
    device: Any = getattr(torch, name, None)
    usable = device is not None and device.is_available() and not device._is_in_bad_fork()  # noqa: SLF001 - as torch asks
    there: int = device.device_count() if usable else 0
    if there < len(states):
        _log.info("random states of %d %s devices are stored, and %d are here", len(states), name, there)
    if there:
        # Until then what is set is put off, and behind it comes the seed that the program has set before.
        device.init()
    for number, state in enumerate(states[:there]):
        device.set_rng_state(_tensor(torch, state), number)


_GLOBAL: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], None]]] = {
    "random": (_get_python, _set_python),
    "numpy.random": (_get_numpy, _set_numpy),
    "torch": (_get_torch, _set_torch),
}
