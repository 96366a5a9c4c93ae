"""The options that `run` and `sweep` share, and the cells that they describe."""

import inspect
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from clbench.errors import ClbenchError
from clbench.settings import Form, Precision, Settings
from clbench.spec import merged, parse_value
from clbench.sweep import Cell, StreamChoice

Option = typer.Option


@dataclass(frozen=True)
class Options:
    """How runs are made. Each field is an option of the command line."""

    set_: Annotated[
        list[str],
        Option("--set", help="Hyperparameter, key=value; method:key=value for one method."),
    ] = field(default_factory=list)
    recipe: Annotated[
        list[str],
        Option(help="Hyperparameter of all methods that have it, key=value; --set overrules."),
    ] = field(default_factory=list)
    config: Annotated[
        Path | None, Option(help="TOML file: a table of hyperparameters for each method.")
    ] = None
    tuned: Annotated[
        Path | None, Option(help="What clbench tune chose (tuned.toml); --set overrules.")
    ] = None
    out: Annotated[Path, Option(help="Folder that runs are written to.")] = Path("runs")
    source: Annotated[str | None, Option(help="Another source: name,key=value,...")] = None
    embed: Annotated[
        str | None, Option(help="Frozen backbone; its features become the source.")
    ] = None
    protocol: Annotated[list[str], Option(help="A protocol field that differs, key=value.")] = (
        field(default_factory=list)
    )
    form: Annotated[Form, Option(help="What is kept of predictions.")] = "compact"
    device: Annotated[str, Option(help="cpu, cuda, cuda:1, ...")] = "cpu"
    bf16: Annotated[bool, Option("--bf16", help="Passes under bfloat16 autocast.")] = False
    threads: Annotated[int | None, Option(min=1, help="Threads of a run.")] = None
    carry: Annotated[
        bool | None,
        Option(
            "--carry/--no-carry",
            help="Make the method anew from its state at each update (where it can be).",
        ),
    ] = None
    probe_every: Annotated[
        int | None, Option(min=1, help="Ask the method inside updates, so many steps apart.")
    ] = None
    relearn: Annotated[
        bool,
        Option(
            "--relearn", help="Try to bring back what was forgotten, on copies; recorded beside."
        ),
    ] = False

    layers: Annotated[
        str | None,
        Option(help="Layers of the model, comma-separated, whose outputs are recorded, too."),
    ] = None
    originals: Annotated[
        Path | None, Option(help="Store of trained originals (clbench ensemble) to start from.")
    ] = None
    oracles: Annotated[
        Path | None, Option(help="Store of oracles that retrain takes its models from.")
    ] = None

    def cells(
        self, methods: Sequence[str], streams: Sequence[str], seeds: Sequence[int]
    ) -> list[Cell]:
        """The runs of a study: streams, then seeds, then methods."""
        tables, rules = _config(self.config), pairs(self.protocol, "--protocol")
        recipe = tree(self.recipe, "--recipe")
        precision: Precision = "bfloat16" if self.bf16 else "float32"
        settings = Settings(
            self.form,
            self.device,
            precision,
            self.threads,
            self.carry,
            self.probe_every,
            self.originals,
            self.oracles,
            self.relearn,
            () if self.layers is None else tuple(self.layers.split(",")),
        )
        _reject_strangers([*tables, *_owners(self.set_)], methods)
        cells = [
            Cell(
                StreamChoice(stream, self.source, self.embed, rules, recipe),
                method,
                seed,
                self.out,
                merged(tables.get(method, {}), nested(self.set_, method)),
                settings,
            )
            for stream in dict.fromkeys(streams)  # a name given twice is one run
            for seed in dict.fromkeys(seeds)
            for method in dict.fromkeys(methods)
        ]
        if self.tuned is None:
            return cells
        from clbench.tuning.applying import tuned_cells  # opens streams, so not for help

        return tuned_cells(cells, self.tuned)


def with_options(
    command: Callable[..., None], *, without: Sequence[str] = ()
) -> Callable[..., None]:
    """Give a command the fields of `Options` as options; it receives them as `options`.

    Those in `without` make no sense for it and stay at their defaults.
    """
    offered = [each for each in fields(Options) if each.name not in without]

    @wraps(command)
    def wrapper(**given: Any) -> None:
        chosen = {each.name: given.pop(each.name) for each in offered}
        command(**given, options=Options(**chosen))

    own = inspect.signature(command).parameters
    hints = get_type_hints(command, include_extras=True) | get_type_hints(
        Options, include_extras=True
    )
    hints.pop("options"), hints.pop("return")
    shared = [
        inspect.Parameter(
            each.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=[] if each.name in ("set_", "recipe", "protocol") else each.default,
            annotation=hints[each.name],
        )
        for each in offered
    ]
    kept = [parameter for name, parameter in own.items() if name != "options"]
    wrapper.__signature__ = inspect.Signature([*kept, *shared])  # type: ignore[attr-defined]
    wrapper.__annotations__ = hints
    return wrapper


def parse_seeds(text: str) -> list[int]:
    """`5` is the seeds 0 to 4; `0,3,7` are those."""
    numbers = text.split(",")
    if not all(number.strip().isdecimal() for number in numbers) or text.strip() == "0":
        raise ClbenchError(f"--seeds is {text!r}; give a count (5) or a list (0,3,7)")
    return list(range(int(text))) if len(numbers) == 1 else [int(number) for number in numbers]


def pairs(texts: Sequence[str], option: str) -> dict[str, Any]:
    """`key=value` texts as a table."""
    table = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (equals and key):
            raise ClbenchError(f"{option} {text!r} is not of the form key=value")
        table[key] = parse_value(value)
    return table


def nested(texts: Sequence[str], method: str) -> dict[str, Any]:
    """The hyperparameters meant for a method, as a tree."""
    mine = [text for text in texts if _owner(text) in ("", method)]
    return tree([text.removeprefix(f"{_owner(text)}:") for text in mine], "--set")


def tree(texts: Sequence[str], option: str) -> dict[str, Any]:
    """`key=value` texts as a tree: `training.lr=0.1` goes into its group."""
    root: dict[str, Any] = {}
    for text in texts:
        for key, value in pairs([text], option).items():
            *groups, name = key.split(".")
            branch = root
            for group in groups:
                branch = branch.setdefault(group, {})
                if not isinstance(branch, dict):
                    raise ClbenchError(
                        f"{option} gives {group} a value, and {key} one inside of it"
                    )
            branch[name] = value
    return root


def _owner(text: str) -> str:
    """The method that a --set names; none means all."""
    return text.partition("=")[0].rpartition(":")[0]


def _owners(texts: Sequence[str]) -> list[str]:
    return [owner for text in texts if (owner := _owner(text))]


def _reject_strangers(names: Sequence[str], methods: Sequence[str]) -> None:
    """A table or a --set for a method that is not there would be ignored; most likely a typo."""
    from clbench.errors import unknown
    from clbench.plugin import entries

    known = {*methods, *entries("methods")}
    for name in names:
        if name not in known:
            raise unknown("method", name, known)


def _config(path: Path | None) -> Mapping[str, dict[str, Any]]:
    if path is None:
        return {}
    try:
        tables = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise ClbenchError(f"configuration file {path} does not exist") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ClbenchError(f"{path} is not TOML: {error}") from error
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ClbenchError(
                f"{path}: {name} is a value; hyperparameters stand in a table a method: "
                f"[er] {name} = {table!r}"
            )
    return tables
