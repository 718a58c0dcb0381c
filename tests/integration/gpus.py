"""Two GPUs that are imitated (gpus.c), for a torch that was built for CUDA on a machine that has none."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

HERE = Path(__file__).parent


@cache
def gpus() -> dict[str, str]:
    """Give the environment in which a program finds them; skip the test where they cannot be built."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    compiler = shutil.which("gcc")
    if torch.version.cuda is None or compiler is None:
        pytest.skip("the imitated GPUs want gcc, and a torch that was built for CUDA")
    packages = Path(torch.__file__).parents[1]
    # What the packages of the runtime leave out of its headers comes with the compiler of kernels.
    headers = [*packages.glob("nvidia/*/include"), packages / "triton/backends/nvidia/include"]
    if not any((folder / "cuda_runtime_api.h").exists() for folder in headers):
        pytest.skip("the imitated GPUs want the headers of CUDA's runtime")
    # Torch asks for the driver by this name, and takes what is loaded already.
    built = Path(mkdtemp(prefix="gpus-")) / "libcuda.so.1"
    options = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-pthread", f"-Wl,-soname,{built.name}"]
    included = [f"-I{folder}" for folder in headers]
    command = [compiler, *options, *included, str(HERE / "gpus.c"), "-o", str(built)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return {"LD_PRELOAD": str(built)}


def counted() -> dict[str, int]:
    """Give how many bytes the imitated GPUs of this process have copied, and how many of the host's are pinned."""
    count: Any = ctypes.CDLL(os.environ["LD_PRELOAD"]).gpus_count
    count.restype = ctypes.c_size_t
    return {name: count(name.encode()) for name in ("to_pinned", "to_pageable", "to_device", "pinned")}
