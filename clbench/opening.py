"""From the name of a preset, or the file of a stream, to a stream with its samples."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from clbench.document import SUFFIX, read_stream
from clbench.errors import ClbenchError, unknown
from clbench.plugin import call, load
from clbench.preset import Preset, presets
from clbench.source.base import Source, open_source
from clbench.spec import Spec, Value, parse_spec
from clbench.stream import Protocol, Stream, labels_digest

TUNING = "+tuning"


@dataclass(frozen=True)
class Opened:
    """A stream ready to be played: the document, its samples, the recipe."""

    stream: Stream
    source: Source
    recipe: Mapping[str, Any]


def open_preset(
    name: str,
    *,
    source: str | None = None,
    embed: str | None = None,
    protocol: Mapping[str, Any] | None = None,
) -> Opened:
    """Open a stream with its samples.

    Args:
        name: of a preset, or the file of a stream. `NAME+tuning` is the stream on which choices
            for a preset are made: it asks nothing that the preset's own stream asks.
        source: a source spec in place of the preset's, such as a local folder.
        embed: a backbone spec; the source becomes its frozen features.
        protocol: fields that differ from the preset's; the name then says so.

    Raises:
        ClbenchError: a name, option or field is wrong, or the data are not there.
    """
    if name.endswith(SUFFIX):
        return _open_file(Path(name), source, embed, protocol)
    known, usual_name = presets(), name.removesuffix(TUNING)
    if usual_name not in known:
        raise unknown("stream", usual_name, known)
    preset = known[usual_name]
    if tuning := name.endswith(TUNING):
        preset = _for_tuning(preset)
    spec = _chosen(_spec(preset.source), source, embed)
    if tuning and (source or preset.tuning.source is None):
        spec = Spec("held_out", {"source": str(spec)})
    usual = _protocol(preset.protocol, name)
    rules = _protocol({**preset.protocol, **(protocol or {})}, name)
    changed = {k: v for k, v in asdict(rules).items() if v != getattr(usual, k)}
    label = name + "".join(f"+{k}={v}" for k, v in changed.items())
    samples = open_source(spec)
    return Opened(_generate(preset, samples, label, rules), samples, preset.recipe)


def _for_tuning(preset: Preset) -> Preset:
    """The preset with what its tuning stream has of its own."""
    own = preset.tuning
    generator = {**preset.generator, **own.generator}
    return preset.model_copy(update={"source": own.source or preset.source, "generator": generator})


def _open_file(
    path: Path, source: str | None, embed: str | None, protocol: Mapping[str, Any] | None
) -> Opened:
    """A stream from its file, on the source that it names or another with the same labels."""
    stream = read_stream(path)
    if protocol:
        raise ClbenchError(f"the protocol of {path} is fixed with its ids; leave --protocol out")
    samples = open_source(_chosen(stream.source, source, embed))
    if labels_digest(samples) != stream.labels:
        raise ClbenchError(
            f"{path} was made for other labels than those of {samples.spec}; give its --source"
        )
    return Opened(stream, samples, {})


def _chosen(usual: Spec, source: str | None, embed: str | None) -> Spec:
    """The source asked for, as it is or as the features of a frozen backbone."""
    spec = parse_spec(source) if source else usual
    return Spec("embedded", {"source": str(spec), "backbone": embed}) if embed else spec


def _generate(preset: Preset, source: Source, name: str, protocol: Protocol) -> Stream:
    options = dict(preset.generator)
    generator = load("streams", options.pop("name"))
    given = {"source": source, "name": name, "protocol": protocol}
    stream: Stream = call("stream", preset.generator["name"], generator, {**given, **options})
    return replace(stream, evals=tuple(sorted(stream.evals, key=lambda e: e.since)))


def _spec(source: str | Mapping[str, Value]) -> Spec:
    if isinstance(source, str):
        return parse_spec(source)
    options = dict(source)
    return Spec(str(options.pop("name")), options)


def _protocol(fields: Mapping[str, Any], where: str) -> Protocol:
    if extra := [key for key in fields if key not in Protocol.__dataclass_fields__]:
        raise unknown(f"protocol field of {where}", extra[0], Protocol.__dataclass_fields__)
    try:
        return TypeAdapter(Protocol).validate_python(fields)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise ClbenchError(
            f"protocol field {field} of {where}: {first['msg']}, got {first['input']!r}"
        ) from None
