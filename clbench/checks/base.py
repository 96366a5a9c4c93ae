"""What checks share: the verdict, comparing answers, torch's settings put back."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from clbench.method import Method
from clbench.subject import Subject

TOLERANCE = 1e-4  # sums are rounded differently when batches are cut differently
GLOBAL_SETTINGS: Mapping[str, Callable[[], Any]] = {
    "set_default_dtype": torch.get_default_dtype,
    "set_float32_matmul_precision": torch.get_float32_matmul_precision,
    "set_grad_enabled": torch.is_grad_enabled,
    "set_num_threads": torch.get_num_threads,
    "use_deterministic_algorithms": torch.are_deterministic_algorithms_enabled,
}


class BrokenContract(Exception):  # noqa: N818 - the verdict of a check, not a fault
    """What a method does that it may not."""


Check = Callable[[Subject], None]


def restoring(check: Check) -> Check:
    """The check, after which torch's settings are as they were before it."""

    @wraps(check)
    def restored(subject: Subject) -> None:
        before = torch_settings()
        try:
            check(subject)
        finally:
            for name, value in before.items():
                getattr(torch, name)(value)

    return restored


def torch_settings() -> dict[str, Any]:
    """Torch's global settings, by the function that sets each."""
    return {name: read() for name, read in GLOBAL_SETTINGS.items()}


def close(one: Tensor, two: Tensor, what: str, remedy: str) -> None:
    """Compare answers up to rounding."""
    gap = float((one - two).abs().max()) if one.shape == two.shape else float("inf")
    scale = 1 + float(one.abs().max())
    if not gap <= TOLERANCE * scale:
        raise BrokenContract(
            f"{what} differs by {gap:.2g} at values up to {scale - 1:.2g}; {remedy}"
        )


def suspects(method: Method, fresh: Method) -> str:
    """Attributes that updates made or changed and that are not carried, for an error's end."""
    names = [
        name
        for name, value in vars(method).items()
        if name not in method.carries and not _alike(value, vars(fresh).get(name))
    ]
    return f"; not carried: {', '.join(names)}" if names else ""


def _alike(one: Any, two: Any) -> bool:
    """Whether two values are the same, as far as can be told: objects of one type are."""
    if isinstance(one, Tensor) and isinstance(two, Tensor):
        return torch.equal(one, two)
    if isinstance(one, bool | int | float | str):
        return bool(one == two)
    return type(one) is type(two)
