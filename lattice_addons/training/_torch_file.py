"""A file of ``torch.save`` is read without running what it names, unless who wrote it is trusted."""

from __future__ import annotations

import logging
import pickle
import warnings
import zipfile
from typing import Any

import torch

from lattice_addons.errors import DamagedError, UntrustedError

__all__ = ["read_torch_file"]

log = logging.getLogger("lattice_addons.training")

# Before, a file could run code though only weights were asked for (GHSA-63cw-57p8-fm3p).
_SAFE_SINCE = (2, 10)


def read_torch_file(path: str, device: torch.device, *, trusted: bool) -> Any:
    """Give what was saved, its tensors on a device, or on the CPU where that is not there.

    Raises:
        UntrustedError: it is not trusted, and has something else than tensors and plain data, or this torch is too
            old to refuse that.
        DamagedError: it is no file of ``torch.save``, or not whole.
    """
    _check(path)
    if not trusted and torch.torch_version.TorchVersion(torch.__version__) < _SAFE_SINCE:
        message = (
            f"{path} is read by torch, and of torch {torch.__version__} it is known that a file can make it run code: "
            'install torch 2.10 or newer, or, if you trust who wrote the file, say load_snapshots(…, trust="pickle")'
        )
        raise UntrustedError(message, key=path)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "Detected pickle protocol", UserWarning
            )  # what follows is told below
            return torch.load(path, map_location=_there(device), weights_only=not trusted)
    except pickle.UnpicklingError as error:
        said = str(error)
        # torch's own reader names what it refuses; without that the file is none of its own.
        if trusted or "weights_only" not in said.lower() or not _is_zip(path):
            raise _damaged(path, error) from error
        message = (
            f"{path} has something else than tensors and plain data, and reading that can run any code; if you trust "
            f'who wrote the file, say load_snapshots(…, trust="pickle"). torch says: {_refused(said)}'
        )
        raise UntrustedError(message, key=path) from error
    except (ImportError, AttributeError, MemoryError):
        raise  # of the program's own classes, which are not there; or of this machine
    except Exception as error:  # of a file that is cut off or altered torch raises whatever that leads to
        raise _damaged(path, error) from error


def _check(path: str) -> None:
    """Hold the bytes against the checksums that torch writes beside them, and does not look at."""
    try:
        with open(path, "rb") as file:
            if file.read(2) != b"PK":
                return  # of a torch before 1.6, which wrote none
        with zipfile.ZipFile(path) as whole:
            # All are zero where the program told torch to make none.
            altered = whole.testzip() if any(each.CRC for each in whole.infolist()) else None
    except Exception as error:  # whatever reading a false archive leads to
        raise _damaged(path, error) from error
    if altered is not None:
        raise _damaged(path, ValueError(f"{altered} does not have its checksum"))


def _there(device: torch.device) -> torch.device:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # each backend raises its own
        log.info("the tensors come to the CPU, for the device %s is not there: %s", device, error)
        return torch.device("cpu")
    return device


def _is_zip(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(2) in {b"PK", b"\x80\x02"}  # or that of a torch before 1.6


def _refused(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if "GLOBAL" in line or "Unsupported" in line]
    return (lines or said.splitlines() or [""])[0][:200]


def _damaged(path: str, error: BaseException) -> DamagedError:
    message = (
        f"{path} cannot be read: it is no snapshot and no file of torch.save, or was cut off or altered "
        f"({type(error).__name__}: {str(error).partition(chr(10))[0][:200]})"
    )
    return DamagedError(message, key=path)
