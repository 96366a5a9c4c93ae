"""All there is to know of one plugin, as plain values."""

import inspect
from dataclasses import asdict
from typing import Any

from clbench.errors import ClbenchError, unknown
from clbench.metric import Metric
from clbench.plugin import entries, load
from clbench.preset import open_preset, presets


def details(name: str) -> dict[str, Any]:
    """What a method, stream, source or metric of this name (or `file.py:Name`) is.

    Raises:
        ClbenchError: there is none, or it does not import.
    """
    if ".py:" in name:
        plugin = load("methods", name)
        return _metric(plugin) if isinstance(plugin, Metric) else _method(name)
    if name in presets():
        return _stream(name)
    if name in entries("methods"):
        return _method(name)
    if name in entries("metrics"):
        return _metric(load("metrics", name))
    for group in ("sources", "streams"):
        if name in entries(group):
            return _function(group, name)
    known = [
        *presets(),
        *(key for group in ("methods", "metrics", "sources") for key in entries(group)),
    ]
    raise unknown("plugin", name, known)


def _method(name: str) -> dict[str, Any]:
    from clbench.running import load_method

    kind = load_method(name)
    return {
        "method": kind.card.name,
        "about": inspect.cleandoc(kind.__doc__ or ""),
        **{k: v for k, v in asdict(kind.card).items() if k != "name"},
        "carries": kind.carries,
        "hyperparameters": _hyperparameters(kind),
        "file": inspect.getfile(kind),
    }


def _hyperparameters(kind: Any) -> dict[str, str]:
    """Each hyperparameter with its type, default, bounds and meaning; groups are opened."""
    found: dict[str, str] = {}
    for name, field in kind.__pydantic_fields__.items():
        inner = getattr(field.annotation, "model_fields", None)
        for key, each in (
            {f"{name}.{k}": v for k, v in inner.items()} if inner else {name: field}
        ).items():
            default = getattr(field.default, key.rpartition(".")[2]) if inner else each.default
            bounds = f" {', '.join(map(str, each.metadata))}" if each.metadata else ""
            about = f"  {each.description}" if each.description else ""
            found[key] = f"{default!r} ({_type(each.annotation)}{bounds}){about}"
    return found


def _type(annotation: Any) -> str:
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return text.removeprefix("typing.")


def _stream(name: str) -> dict[str, Any]:
    preset = presets()[name]
    found: dict[str, Any] = {"stream": name, **preset.model_dump()}
    try:
        stream = open_preset(name).stream
    except ClbenchError as error:
        return {**found, "not opened": str(error)}
    updates = {
        f"update {u.index + 1}": f"{u.kind} {len(u.samples)} samples, labels {_span(u.classes.tolist())}"
        for u in stream.updates
    }
    return {
        **found,
        "protocol": asdict(stream.protocol),
        "fingerprint": stream.fingerprint,
        "class order": stream.class_order.tolist(),
        "updates": updates,
    }


def _span(labels: list[int]) -> str:
    return f"{labels[0]} to {labels[-1]}" if len(labels) > 3 else ", ".join(map(str, labels))


def _metric(metric: Metric) -> dict[str, Any]:
    return {
        "metric": metric.name,
        "definition": metric.definition,
        "direction": f"{metric.direction} is better",
        "range": list(map(str, metric.range)),
        "unit": metric.unit,
        "paper": metric.paper,
        "needs": metric.needs,
    }


def _function(group: Any, name: str) -> dict[str, Any]:
    function = load(group, name)
    return {
        group.removesuffix("s"): name,
        "about": inspect.cleandoc(function.__doc__ or ""),
        "options": {k: str(p) for k, p in inspect.signature(function).parameters.items()},
    }
