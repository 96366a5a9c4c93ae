"""What a method may see and spend: a part of every stream, and of its fingerprint."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from clbench.errors import ClbenchError

Setting = Literal["class-incremental", "task-incremental", "domain-incremental"]


@dataclass(frozen=True)
class Protocol:
    """What a method may see and spend.

    `task_ids`: predictions are made among the classes of the sample's task. `past`: `none`, or
    `all` past training data at every update. `memory_bytes`: cap on all that a method carries
    between updates, its model included (None: measured, not capped). `epochs`: passes over each
    update's data (None: the method chooses). `online`: each sample is handed out once, in order of
    arrival, and nothing is said about boundaries. `flops`: training FLOPs of an update, by our
    count; `seconds`: the same by the clock, so that a repeat may stop elsewhere. Training loops
    stop before they would be exceeded (`clbench.budget`). `memory_adjusted`: a training step
    is charged its FLOPs x its peak memory (`clbench.live`) / that of a step of full finetuning
    (FoMo-in-Flux, 2408.14471).

    At forget updates: `retained` is the share of what is to be kept that may be read (1.0: all;
    None or 0: nothing), drawn by the stream. `forget_labels`: whether the labels of the samples to
    forget are given. `retrain_share`: training FLOPs, as a share of what training anew without
    those samples would cost: the FLOPs of the learn updates so far, in proportion to the samples
    that are left. `epochs` is about learn updates alone; how long forgetting takes is the method's
    choice.

    Raises:
        ClbenchError: a cap is not positive, a share is not one, a task-incremental setting gives no
            task ids, or an online one gives them, or more than one epoch; or `memory_adjusted`
            adjusts no `flops`.
    """

    setting: Setting = "class-incremental"
    task_ids: bool = False
    past: Literal["none", "all"] = "none"
    memory_bytes: int | None = None
    epochs: int | None = None
    online: bool = False
    flops: int | None = None
    seconds: float | None = None
    memory_adjusted: bool = False
    retained: float | None = None
    forget_labels: bool = True
    retrain_share: float | None = None

    def chosen(self) -> dict[str, Any]:
        """The fields that differ from their defaults.

        Fingerprints hash these alone, so that a field that comes later changes no stream of today.
        """
        usual = {field.name: field.default for field in fields(self)}
        return {name: value for name, value in asdict(self).items() if value != usual[name]}

    def __post_init__(self) -> None:
        for name in ("memory_bytes", "epochs", "flops"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ClbenchError(f"protocol field {name} is {value}; it must be 1 or more")
        if self.seconds is not None and not 0 < self.seconds < float("inf"):
            raise ClbenchError(
                f"protocol field seconds is {self.seconds}; it must be above 0 and finite"
            )
        self._check_forgetting()
        if self.memory_adjusted and self.flops is None:
            raise ClbenchError(
                "protocol field memory_adjusted is true; it adjusts a budget of FLOPs: flops=1e12"
            )
        if self.setting == "task-incremental" and not self.task_ids:
            raise ClbenchError(
                "protocol field task_ids is false; the setting task-incremental gives them: "
                "task_ids=true"
            )
        if self.online and (self.task_ids or self.epochs not in (None, 1)):
            raise ClbenchError(
                f"protocol field online is true; it needs task_ids=false and epochs=1, not "
                f"task_ids={str(self.task_ids).lower()} and epochs={self.epochs}"
            )

    def _check_forgetting(self) -> None:
        if self.retained is not None and not 0 <= self.retained <= 1:
            raise ClbenchError(
                f"protocol field retained is {self.retained}; it is a share, from 0 (no retained "
                "data at forget updates) to 1 (all)"
            )
        if self.retained == 0:
            object.__setattr__(self, "retained", None)  # one protocol, one fingerprint
        if self.retrain_share is not None and not 0 < self.retrain_share < float("inf"):
            raise ClbenchError(
                f"protocol field retrain_share is {self.retrain_share}; it must be above 0 and "
                "finite, such as 0.1 for a tenth of the FLOPs of training anew"
            )
