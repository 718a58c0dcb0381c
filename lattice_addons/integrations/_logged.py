"""Lightning leaves out of its checkpoints what was logged in an epoch so far: it is kept beside them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from lightning.pytorch.trainer.connectors.logger_connector.result import _Metadata, _ResultMetric, _Sync
from torchmetrics import Metric

__all__ = ["logged", "put_back_logged"]

# What a value that is reduced over an epoch consists of, in Lightning's class for it and in those of torchmetrics.
_VALUES = ("value", "cumulated_batch_size", "has_reset", "_forward_cache", "_update_count", "_computed")
_METRICS = (
    "_callback_metrics",
    "_logged_metrics",
    "_progress_bar_metrics",
    "_first_loop_iter",
    "_current_fx",
)


def logged(trainer: Any) -> dict[str, Any]:
    """Give the metrics of the running epoch as plain data and tensors."""
    connector = trainer._logger_connector  # noqa: SLF001 - Lightning has no other way to them
    results = trainer.fit_loop.epoch_loop._results  # noqa: SLF001
    return {
        "results": [[key, _described(one)] for key, one in results.items()],
        "connector": {name: getattr(connector, name) for name in _METRICS},
        "modules": {path: _state(part) for path, part in _metrics(trainer.lightning_module)},
    }


def put_back_logged(trainer: Any, stored: dict[str, Any]) -> None:
    """Let the running epoch's metrics go on from these."""
    module, device = trainer.lightning_module, trainer.strategy.root_device
    for name, value in stored["connector"].items():
        setattr(trainer._logger_connector, name, value)  # noqa: SLF001
    parts = dict(_metrics(module))
    for path, state in stored["modules"].items():
        if path in parts:
            vars(parts[path]).update(state)
            parts[path].to(device)
    for key, described in stored["results"]:
        result = _made(trainer, described)
        if result.is_tensor:
            trainer.fit_loop.epoch_loop._results[key] = result.to(device)  # noqa: SLF001
        elif described["meta"]["metric_attribute"] in parts:
            result.value = parts[described["meta"]["metric_attribute"]]
            trainer.fit_loop.epoch_loop._results[key] = result  # noqa: SLF001


def _described(result: Any) -> dict[str, Any]:
    meta, sync = result.meta, result.meta.sync
    told = {item.name: getattr(meta, item.name) for item in fields(meta) if item.name != "_sync"}
    values = {name: vars(result)[name] for name in _VALUES if name in vars(result)}
    if not result.is_tensor:
        values.pop("value", None)  # a part of the module
    return {
        "meta": told | {"reduce_fx": meta.reduce_fx.__name__},
        "sync": [sync.should, sync.rank_zero_only, sync.op],
        "is_tensor": result.is_tensor,
        "values": values,
    }


def _made(trainer: Any, described: dict[str, Any]) -> Any:
    meta = _Metadata(**described["meta"])
    should, rank_zero_only, op = described["sync"]
    meta.sync = _Sync(fn=trainer.strategy.reduce, _should=should, rank_zero_only=rank_zero_only, _op=op)
    result = _ResultMetric(meta, described["is_tensor"])
    vars(result).update(described["values"])
    return result


def _metrics(module: Any) -> list[tuple[str, Any]]:
    """Give the metrics that are parts of a module, each with its path."""
    return [(path, part) for path, part in module.named_modules() if isinstance(part, Metric)]


def _state(metric: Any) -> dict[str, Any]:
    names = [*metric.metric_state, "_update_count", "_computed", "_forward_cache"]
    return {name: getattr(metric, name) for name in names}
