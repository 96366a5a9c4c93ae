"""All there is to know of one plugin, as plain values."""

import inspect
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from clbench.errors import ClbenchError, unknown
from clbench.metric import Metric
from clbench.metric.group import GroupMetric
from clbench.opening import TUNING, open_preset
from clbench.plugin import Group, entries, load
from clbench.preset import presets
from clbench.spec import flat
from clbench.stream import Update

KINDS: tuple[Group, ...] = ("methods", "metrics", "group_metrics", "sources")


def details(name: str) -> dict[str, Any]:
    """What a method, stream, source, metric (or `file.py:Name`) or file of `clbench tune` is.

    Raises:
        ClbenchError: there is none, or it does not import.
    """
    if ":" in name:  # of a file, or of a framework
        plugin = load("methods", name)
        return _metric(plugin) if isinstance(plugin, Metric) else _method(name)
    if name.endswith(".toml"):
        return _tuned(Path(name))
    if name.removesuffix(TUNING) in presets():
        return _stream(name)
    if name in entries("methods"):
        return _method(name)
    for group in ("metrics", "group_metrics"):
        if name in entries(group):
            return _metric(load(group, name))
    for group in ("sources", "streams"):
        if name in entries(group):
            return _function(group, name)
    known = [
        *presets(),
        *(key for group in KINDS for key in entries(group)),
    ]
    raise unknown("plugin", name, known)


def _method(name: str) -> dict[str, Any]:
    from clbench.running import load_method
    from clbench.tuning.space import search_space

    kind = load_method(name)
    return {
        "method": kind.card.name,
        "about": inspect.cleandoc(kind.__doc__ or ""),
        **{k: v for k, v in asdict(kind.card).items() if k != "name"},
        "carries": kind.carries,
        "tunes": {each.name: str(each) for each in search_space(kind)} or "nothing",
        "hyperparameters": _hyperparameters(kind),
        "file": inspect.getfile(kind),
    }


def _tuned(path: Path) -> dict[str, Any]:
    from clbench.tuning.tuned import read_tuned

    return {
        f"{method} on {stream}": {
            "tuned": chosen.tuning.text,
            **dict(flat(chosen.hyperparameters)),
            **dict(flat(chosen.tuning.model_dump(mode="json"), "tuning.")),
        }
        for stream, methods in read_tuned(path).streams.items()
        for method, chosen in methods.items()
    }


def _hyperparameters(kind: Any) -> dict[str, str]:
    """Each hyperparameter with its type, default, bounds and meaning; groups are opened."""
    found: dict[str, str] = {}
    for name, field in kind.__pydantic_fields__.items():
        group = getattr(field.annotation, "model_fields", None)
        if group is None:
            found[name] = _hyperparameter(field, field.default)
            continue
        for key, each in group.items():
            found[f"{name}.{key}"] = _hyperparameter(each, getattr(field.default, key))
    return found


def _hyperparameter(field: Any, default: Any) -> str:
    bounds = "".join(f", {bound}" for bound in field.metadata)
    about = f"  {field.description}" if field.description else ""
    usual = "needed" if default is PydanticUndefined else repr(default)
    return f"{usual} ({_type(field.annotation)}{bounds}){about}"


def _type(annotation: Any) -> str:
    text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return text.removeprefix("typing.")


def _stream(name: str) -> dict[str, Any]:
    preset = presets()[name.removesuffix(TUNING)]
    found: dict[str, Any] = {"stream": name, **preset.model_dump(exclude_defaults=True)}
    try:
        stream = open_preset(name).stream
    except ClbenchError as error:
        return {**found, "not opened": str(error)}
    updates = {f"update {u.index + 1}": _update(u) for u in stream.updates}
    return {
        **found,
        "protocol": asdict(stream.protocol),
        "fingerprint": stream.fingerprint,
        "class order": stream.class_order.tolist(),
        "updates": updates,
    }


def _update(update: Update) -> str:
    labels = update.classes.tolist()
    of = f"labels {_span(labels)}" if labels else "no new labels"
    granted = "" if update.retained is None else f"; {len(update.retained)} retained are granted"
    return f"{update.kind} {len(update.samples)} samples, {of}{granted}"


def _span(labels: list[int]) -> str:
    return f"{labels[0]} to {labels[-1]}" if len(labels) > 3 else ", ".join(map(str, labels))


def _metric(metric: Metric) -> dict[str, Any]:
    return {
        "metric": metric.name,
        "of": "many models" if isinstance(metric, GroupMetric) else "a run",
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
