"""What is installed, read from source text: listing plugins imports none of them, nor torch.

Only plugins of other distributions are imported, in a process of their own, to see that they can
be; what was seen to import is remembered until its file changes.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from clbench.card import definition, keywords, read_card, source_file
from clbench.errors import ClbenchError, listing
from clbench.files import write_atomic
from clbench.paths import cache_dir
from clbench.plugin import Entry, Group, entries
from clbench.preset import broken_presets, presets

GROUPS: tuple[Group, ...] = ("methods", "streams", "sources", "metrics")
OWN = "clbench"


@dataclass(frozen=True)
class Item:
    """A plugin in a list: what it is about, its properties by column, and what is wrong with it."""

    group: str
    name: str
    about: str
    properties: dict[str, str] = field(default_factory=dict)
    broken: str = ""


def catalogue(groups: Iterable[Group] = GROUPS) -> list[Item]:
    """Everything that is installed, by group and name."""
    items: list[Item] = []
    for group in groups:
        found = _entries(group)
        faults = _import_faults(found)
        if group == "streams":
            items += _streams(faults)
        else:
            items += [_item(group, e, faults.get(e.name, "")) for e in found]
    return items


def _entries(group: Group) -> list[Entry]:
    """The plugins that a reader looks for in a group."""
    found = list(entries(group).values())
    return [*found, *entries("group_metrics").values()] if group == "metrics" else found


def _streams(faults: Mapping[str, str]) -> list[Item]:
    """The presets; of their generators and packages those that are broken."""
    found = [
        Item("streams", name, preset.about, {"generator": str(preset.generator["name"])})
        for name, preset in presets().items()
    ]
    broken = {**faults, **broken_presets()}
    return found + [Item("streams", name, "", broken=why) for name, why in broken.items()]


def _item(group: Group, entry: Entry, fault: str) -> Item:
    if fault:
        return Item(group, entry.name, "", broken=fault)
    try:
        node = definition(entry.target)
        about = (ast.get_docstring(node) or "").partition("\n")[0]
        return Item(group, entry.name, about, _properties(group, entry, node))
    except ClbenchError as error:
        # A plugin of others that imports may be written in ways that we cannot read.
        return Item(group, entry.name, "", broken=str(error) if entry.distribution == OWN else "")


def _properties(group: Group, entry: Entry, node: ast.ClassDef | ast.FunctionDef) -> dict[str, str]:
    if group == "methods":
        card = read_card(entry.target)
        return {
            "family": card.family,
            "paper": card.paper,
            "plays": listing(card.plays),
            "needs": listing(card.needs),
            "stores": card.stores,
        }
    if group == "metrics":
        declared = next((keywords(d) for d in node.decorator_list if isinstance(d, ast.Call)), {})
        of = "many models" if entry.name in entries("group_metrics") else "a run"
        return {"of": of, **{key: str(declared.get(key, "?")) for key in ("direction", "paper")}}
    if isinstance(node, ast.FunctionDef):
        options = [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)]
        return {"options": listing(options)}
    return {}


def _import_faults(found: list[Entry]) -> dict[str, str]:
    """Why plugins of other distributions do not import, by name."""
    foreign = {e.name: e for e in found if e.distribution != OWN}
    memory = cache_dir() / "imported.json"
    seen = _remembered(memory)
    stamps = {name: _stamp(entry) for name, entry in foreign.items()}
    unknown = [name for name in foreign if seen.get(foreign[name].target) != stamps[name]]
    if not unknown:
        return {}
    faults = _try_imports({name: foreign[name].target for name in unknown})
    fine = {foreign[name].target: stamps[name] for name in unknown if name not in faults}
    with suppress(OSError):  # a cache that cannot be written costs time alone
        write_atomic(memory, json.dumps({**seen, **fine}).encode())
    return faults


def _remembered(memory: Path) -> dict[str, str]:
    try:
        seen = json.loads(memory.read_bytes())
    except (OSError, ValueError):
        return {}
    return seen if isinstance(seen, dict) else {}


def _stamp(entry: Entry) -> str:
    """Changes when the plugin's file does."""
    file = source_file(entry.target.partition(":")[0])
    if file is None:
        return "missing"
    status = file.stat()
    return f"{file} {status.st_size} {status.st_mtime_ns}"


_MARK = "clbench:"
_PROBE = f"""
import importlib, json, os, sys
for target in json.loads(sys.argv[1]):
    module, _, attribute = target.partition(":")
    fault = ""
    try:
        imported = importlib.import_module(module)
        attribute and getattr(imported, attribute)
    except BaseException as error:
        fault = f"{{type(error).__name__}}: {{error}}"
    print("\\n{_MARK}" + json.dumps(fault), flush=True)
os._exit(0)
"""


def _try_imports(targets: dict[str, str]) -> dict[str, str]:
    """Why some targets do not import, by name; all in one process, unless one of them ends it."""
    faults: dict[str, str] = {}
    waiting = list(targets)
    while waiting:
        found = _probe([targets[name] for name in waiting])
        faults |= {name: fault for name, fault in zip(waiting, found, strict=False) if fault}
        waiting = waiting[len(found) :]
    return {name: f"fails to import: {' '.join(why.split())}" for name, why in faults.items()}


def _probe(targets: list[str]) -> list[str]:
    """For each target why it does not import, or nothing; the last may have ended the process."""
    command = [sys.executable, "-c", _PROBE, json.dumps(targets)]
    end = "it ends the process"
    try:
        printed = subprocess.run(command, capture_output=True, timeout=120, check=False).stdout
    except subprocess.TimeoutExpired as late:
        printed, end = late.stdout or b"", "it takes too long"
    lines = printed.decode(errors="replace").splitlines()
    found = [json.loads(line.removeprefix(_MARK)) for line in lines if line.startswith(_MARK)]
    return found if len(found) == len(targets) else [*found, end]
