"""The same trivial runs, and the same large array, by what people use for them now."""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from importlib import import_module
from typing import Any

__all__ = ["SHARING", "joblib", "loky", "pool", "private", "ray", "ray_tune", "touch", "trivial"]

WORKERS = 2
_first: list[int] = []


def trivial(number: int) -> dict[str, float]:
    """Do what the trivial settings do."""
    return {"square": number**2, "loss": 1 / (1 + number)}


def joblib(count: int) -> float:
    """Give the seconds that joblib needs for so many trivial calls."""
    library: Any = import_module("joblib")
    begun = time.perf_counter()
    library.Parallel(n_jobs=WORKERS)(library.delayed(trivial)(number) for number in range(count))
    return time.perf_counter() - begun


def ray_tune(count: int) -> float:
    """Give the seconds that Ray Tune needs for so many trivial trials, once Ray runs."""
    library, tune = _ray(), import_module("ray.tune")
    try:
        tuner = tune.Tuner(
            lambda config: tune.report(trivial(config["number"])),
            param_space={"number": tune.grid_search(list(range(count)))},
            tune_config=tune.TuneConfig(max_concurrent_trials=WORKERS),
            run_config=tune.RunConfig(verbose=0),
        )
        begun = time.perf_counter()
        tuner.fit()
        return time.perf_counter() - begun
    finally:
        library.shutdown()


def _ray() -> Any:  # noqa: ANN401 - a module without types
    os.environ.update(
        RAY_AIR_NEW_OUTPUT="0", RAY_USAGE_STATS_ENABLED="0", TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1"
    )
    library: Any = import_module("ray")
    library.init(
        num_cpus=WORKERS,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=2**30,
        _node_ip_address="127.0.0.1",
    )
    return library


def private() -> int:
    """Give the bytes of memory that are this process's own: neither of a file nor of shared memory."""
    # What smaps calls private also counts shared pages that nobody else has looked at yet.
    with open("/proc/self/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("Anonymous:"))


def begin(_: object = None) -> int:
    """Take note of what this process needs before any data has come."""
    import_module("numpy")
    if not _first:
        _first.append(private())
    time.sleep(0.05)  # so that the other workers have one of these, too
    return os.getpid()


def touch(data: Any) -> tuple[float, int]:  # noqa: ANN401 - an array
    """Read a number of each page; give their sum, and how much private memory there is more than at first."""
    total = float(data[::512].sum())
    return total, private() - (_first[0] if _first else 0)


def pool(data: Any, tasks: int) -> tuple[float, int]:  # noqa: ANN401 - as above
    """Hand data to each task by `multiprocessing.Pool`, which pickles it; give the seconds and the private bytes."""
    with multiprocessing.get_context("spawn").Pool(WORKERS) as workers:
        workers.map(begin, range(8 * WORKERS), chunksize=1)
        begun = time.perf_counter()
        given = workers.map(touch, [data] * tasks, chunksize=1)
        return time.perf_counter() - begun, max(more for _, more in given)


def joblib_memmap(data: Any, tasks: int) -> tuple[float, int]:  # noqa: ANN401 - as above
    """Hand data to tasks by joblib, which maps large arrays from a file."""
    library: Any = import_module("joblib")
    with library.Parallel(n_jobs=WORKERS, max_nbytes="1M") as parallel:
        parallel(library.delayed(begin)(number) for number in range(8 * WORKERS))
        begun = time.perf_counter()
        given = parallel(library.delayed(touch)(data) for _ in range(tasks))
        return time.perf_counter() - begun, max(more for _, more in given)


def ray(data: Any, tasks: int) -> tuple[float, int]:  # noqa: ANN401 - as above
    """Hand data to tasks by Ray's object store."""
    library = _ray()
    try:
        first, task = library.remote(begin), library.remote(touch)
        library.get([first.remote() for _ in range(8 * WORKERS)])
        begun = time.perf_counter()
        reference = library.put(data)
        given = library.get([task.remote(reference) for _ in range(tasks)])
        return time.perf_counter() - begun, max(more for _, more in given)
    finally:
        library.shutdown()


def loky(data: Any, tasks: int) -> tuple[float, int]:  # noqa: ANN401 - as above
    """Hand data to each task by loky, which pickles it."""
    library: Any = import_module("loky")
    with library.get_reusable_executor(max_workers=WORKERS) as executor:
        list(executor.map(begin, range(8 * WORKERS)))
        begun = time.perf_counter()
        given = list(executor.map(touch, [data] * tasks))
        return time.perf_counter() - begun, max(more for _, more in given)


#: Who hands large data to tasks, and how.
SHARING = {"multiprocessing.Pool": pool, "loky": loky, "joblib": joblib_memmap, "Ray": ray}
