"""Stores that the runs of a sweep share: what many of them would train each, trained as one job."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clbench.ensemble.job import about, job_of
from clbench.ensemble.members import Kind, Plan, plan
from clbench.ensemble.recipe import Recipe, recipe_of
from clbench.ensemble.store import Spec
from clbench.ensemble.trainer import train_ensemble
from clbench.errors import ClbenchError
from clbench.opening import Opened
from clbench.running import load_method, opened_of, planned_record
from clbench.settings import RECIPE
from clbench.sweep import Cell

Progress = Callable[[str, int, int], None]  # what, how many are trained, of how many


@dataclass(frozen=True)
class Share:
    """A store that some cells take models from."""

    kind: Kind
    opened: Opened
    recipe: Recipe
    device: str

    def plan(self, count: int) -> Plan:
        """The members of seeds below `count`."""
        return plan(self.kind, self.opened.stream, self.opened.source, count)

    @property
    def name(self) -> str:
        """Stores of one content have one name."""
        identity = self.plan(1).identity_with(self.recipe)
        return f"{self.kind}-{Spec(identity=identity, fields={}).fingerprint[:12]}"


def with_stores(
    cells: Sequence[Cell], folder: Path, progress: Progress = lambda what, done, total: None
) -> list[Cell]:
    """The cells, told of stores in `folder` that are trained first, as far as they lack members.

    Originals are for methods whose first learn update is plain training, oracles for those of them
    that retrain; one store serves all cells of one recipe. Members are those of seeds 0 to the
    largest. Other methods train by themselves.

    Raises:
        ClbenchError: a name or option is wrong; no method would take a model; or a stream cannot
            have originals or oracles, such as one that learns classes between its requests.
    """
    setups: dict[str, Mapping[Path, Share]] = {}  # by what decides them
    counts: dict[Path, int] = {}
    found = []
    for cell in cells:
        key = repr(replace(cell, seed=0))
        if key not in setups:
            setups[key] = {folder / share.name: share for share in _shares(cell)}
        for path in setups[key]:
            counts[path] = max(counts.get(path, 0), cell.seed + 1)
        given = {share.kind: path for path, share in setups[key].items()}
        originals, oracles = given.get("originals"), given.get("oracles")
        settings = replace(cell.settings, originals=originals, oracles=oracles)
        found.append(replace(cell, settings=settings))
    shares = {path: share for setup in setups.values() for path, share in setup.items()}
    if not shares:
        raise ClbenchError(
            "none of the methods would train what others do, so that --stores would do nothing; "
            "leave it out, or add a method whose card says so (clbench show METHOD: original)"
        )
    for path, share in shares.items():
        _train(share, path, counts[path], progress)
    return found


def _shares(cell: Cell) -> list[Share]:
    """What a cell's method would train as others do."""
    card = load_method(cell.method).card
    if card.original != "plain":
        return []
    opened, chosen = opened_of(cell), planned_record(cell).hyperparameters
    given = {name: chosen[name] for name in RECIPE}
    recipe = recipe_of(given, opened.stream.protocol, cell.settings.precision)
    kinds: list[Kind] = ["originals", "oracles"] if "retraining" in card.needs else ["originals"]
    return [Share(kind, opened, recipe, cell.settings.device) for kind in kinds]


def _train(share: Share, path: Path, count: int, progress: Progress) -> None:
    stream, source = share.opened.stream, share.opened.source
    found, what = share.plan(count), f"{share.kind} of {stream.name}"
    train_ensemble(
        found,
        job_of(found, stream, source, share.recipe, share.device),
        about(stream, source),
        path,
        on_rows=lambda done, total: progress(what, done, total),
    )
