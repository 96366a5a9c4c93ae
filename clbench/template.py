"""What `clbench new-method` writes: a method that works, and a test that it keeps the contract."""

import builtins
import importlib.util
import keyword
import sys
from pathlib import Path
from string import Template

from clbench.errors import ClbenchError
from clbench.files import write_atomic
from clbench.plugin import entries

IMPORTED = ("Card", "Field", "Method", "Network", "Range", "Space", "Subject", "Training", "View")

METHOD = Template('''"""${title}: one line on the idea, and the paper."""

from clbench.method import Card, Field, Method, Network, Space, Training, View
from torch.nn.functional import cross_entropy


class ${name_of_class}(Method):
    """What the method does at an update, in a sentence."""

    card = Card(
        name="${name}",
        paper="unpublished",
        family="regularisation",
        notes="Name every simplification of the paper here.",
    )
    carries = ("model",)  # attributes that survive an update; their bytes are counted

    backbone: str = "mlp"
    training: Training = Training()
    smoothing: float = Field(0.1, ge=0, lt=1, description="label smoothing")

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        """Train on the update's data; replace the loss by yours."""
        self.model.grow(view.n_classes)
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            logits = self.model(batch.x)
            step(cross_entropy(logits, batch.y, label_smoothing=self.smoothing))
''')

FORGETTING = Template('''"""${title}: one line on the idea, and the paper."""

from clbench.method import Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.fitting import fit
from torch.nn.functional import cross_entropy


class ${name_of_class}(Method):
    """What the method does where samples are to be forgotten, in a sentence."""

    card = Card(
        name="${name}",
        paper="unpublished",
        family="unlearning",
        plays=("learn", "forget"),
        needs=("retained", "forget-labels"),
        original="plain",  # learn is plain training: stored originals serve it
        notes="Name every simplification of the paper here.",
    )
    tunes = (Range("unlearning.lr", 1e-4, 0.1, log=True), Range("smoothing", 0, 0.9))

    backbone: str = "mlp"
    training: Training = Training()
    unlearning: Training = Field(
        Training(lr=0.01, epochs=5), description="how it trains at forget updates"
    )
    smoothing: float = Field(0.1, ge=0, lt=1, description="label smoothing")

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        """Train plainly."""
        fit(self.model, view, self.training)

    def forget(self, view: View) -> None:
        """Descend on what is retained, climb on what is to be forgotten; replace that by yours."""
        step = self.unlearning.start(self.model)
        for gone, kept in view.pairs(self.unlearning):
            down, up = (
                cross_entropy(self.model(b.x), b.y, label_smoothing=self.smoothing)
                for b in (kept, gone)
            )
            step(0.95 * down - 0.05 * up)
''')

TEST = Template('''"""${name_of_class} keeps the contract of every clbench method."""

import pytest
from clbench.contract import Subject, checks_of

from ${name} import ${name_of_class}

CHECKS = checks_of(${name_of_class})


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS.keys())
def test_contract(check):
    check(Subject(${name_of_class}, {}))


def test_hyperparameters_are_validated():
    with pytest.raises(ValueError, match="smoothing"):
        ${name_of_class}(smoothing=2.0)
''')


def write_method(name: str, folder: Path, *, forgets: bool = False) -> tuple[Path, Path]:
    """Write `name.py` and `test_name.py`; the class is the name in capitals.

    With `forgets` it is a method that plays requests to forget, too.

    Raises:
        ClbenchError: the name is no Python identifier in lower case, or is taken: by a file, by a
            module that would be shadowed, by a registered method, or by what the file imports.
    """
    if not name.isidentifier() or keyword.iskeyword(name) or name != name.lower():
        raise ClbenchError(f"{name!r} cannot name a module; use lower case such as my_method")
    files = folder / f"{name}.py", folder / f"test_{name}.py"
    for file in files:
        if file.exists():
            raise ClbenchError(f"{file} exists already; choose another name or folder")
    if (owner := _owner(name)) is not None:
        raise ClbenchError(f"{name!r} is the name of {owner}; choose another")
    names = {"name": name, "name_of_class": class_name(name), "title": name.replace("_", " ")}
    for file, template in zip(files, (FORGETTING if forgets else METHOD, TEST), strict=True):
        write_atomic(file, template.substitute(names).encode())
    return files


def _owner(name: str) -> str | None:
    """What the name, or the class made of it, belongs to already."""
    made = class_name(name)
    if not made.isidentifier() or keyword.iskeyword(made) or hasattr(builtins, made):
        return f"a class {made!r}, which Python does not allow or has itself"
    if made in IMPORTED:
        return f"a class {made!r}, which the file imports from clbench"
    if name in entries("methods"):
        return "a registered method"
    if name in sys.modules or importlib.util.find_spec(name) is not None:
        return "an installed module, which the file would hide"
    return None


def class_name(name: str) -> str:
    """`my_method` as `MyMethod`."""
    return "".join(part.capitalize() for part in name.split("_"))
