"""How the members of an ensemble are trained: as `finetune` trains, by the same settings."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from clbench.errors import ClbenchError, unknown
from clbench.model.training import Training
from clbench.protocol import Protocol
from clbench.settings import RECIPE, Precision


@dataclass(frozen=True)
class Recipe:
    """Backbone, optimiser and batches, and the passes over each member's samples."""

    backbone: str = "mlp"
    training: Training = field(default_factory=Training)
    epochs: int = 10
    precision: Precision = "float32"

    def described(self) -> dict[str, Any]:
        """All of it as plain values; the passes are `epochs` alone, which a protocol may fix."""
        training = self.training.model_dump(mode="json", exclude={"epochs"})
        return asdict(self) | {"training": training}


def recipe_of(
    hyperparameters: Mapping[str, Any], protocol: Protocol, precision: Precision = "float32"
) -> Recipe:
    """The recipe that hyperparameters `backbone` and `training` make under a protocol.

    Others are left out: they are of methods that have them.

    Raises:
        ClbenchError: a value is wrong, or the protocol limits what a learn update may spend, or
            gives each sample once, which members that are trained whole do not keep to.
    """
    _check_protocol(protocol)
    given = {name: hyperparameters[name] for name in RECIPE if name in hyperparameters}
    try:
        recipe = TypeAdapter(Recipe).validate_python(given | {"precision": precision})
    except ValidationError as error:
        raise _complaint(error) from None
    epochs = recipe.training.epochs if protocol.epochs is None else protocol.epochs
    return Recipe(recipe.backbone, recipe.training, epochs, precision)


def _check_protocol(protocol: Protocol) -> None:
    for name in ("flops", "seconds", "online"):
        if value := getattr(protocol, name):
            raise ClbenchError(
                f"protocol field {name} is {value}, and members of an ensemble are trained whole; "
                "choose a stream without it"
            )


def _complaint(error: ValidationError) -> ClbenchError:
    first = error.errors()[0]
    *_, name = first["loc"]
    if first["type"] == "extra_forbidden":
        known = [f"training.{each}" for each in Training.model_fields]
        return unknown("setting of the recipe", ".".join(map(str, first["loc"])), known)
    return ClbenchError(f"recipe: {name}: {first['msg']}, got {first['input']!r}")
