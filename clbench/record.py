"""The schema of `run.json`: what was run, and enough of the stream to score it alone."""

import hashlib
import json
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class UpdateRecord(_Part):
    """An update without its sample ids."""

    index: int = Field(ge=0)
    kind: Literal["learn", "forget", "replace"]
    samples: int = Field(ge=0)
    classes: tuple[int, ...]
    task: int | None


class EvalRecord(_Part):
    """An evaluation set without its sample ids; sets are ordered by `since`."""

    name: str
    split: Literal["train", "test"]
    samples: int = Field(ge=0)
    since: int = Field(ge=0)
    classes: tuple[int, ...]


class StreamRecord(_Part):
    """What scoring needs to know of the stream."""

    name: str
    fingerprint: str
    source: str
    source_fingerprint: str
    protocol: dict[str, Any]
    class_names: tuple[str, ...]  # by label
    updates: tuple[UpdateRecord, ...]
    evals: tuple[EvalRecord, ...]


class MethodRecord(_Part):
    """The method's card in short, and the digest of the file that defines it."""

    name: str
    family: str
    paper: str
    control: bool
    granted: tuple[str, ...]  # what it was given beyond the protocol, as a control
    # What it uses, as its card says; None in runs that were recorded before cards said it.
    needs: tuple[str, ...] | None = None
    stores: Literal["nothing", "statistics", "labels", "samples"] | None = None
    passes: Literal["one", "many"] | None = None
    code: str


class StoreRecord(_Part):
    """A store that trained models were taken from, and the digest of those that were."""

    kind: Literal["originals", "oracles"]
    fingerprint: str  # of what the store is of: stream, source, recipe
    rows: str  # SHA-256 of the weights that were taken


class TuningRecord(_Part):
    """How hyperparameters were chosen: what was spent, on which stream, to which end.

    `trials` is the budget, the same for every method of a study, and `used` what of it was played:
    1 where a method has nothing to tune. `value` is the objective that the chosen setting reached,
    `default` that of the setting that the search started from, mean over `seeds`.
    """

    trials: int = Field(ge=1)
    used: int = Field(ge=1)
    failed: int = Field(ge=0)  # of those played: broke, diverged, or have no value
    sampler: Literal["tpe", "random"]
    objective: str  # metric@version
    value: float = Field(allow_inf_nan=False)
    default: float | None = Field(None, allow_inf_nan=False)
    stream: str
    fingerprint: str
    source_fingerprint: str
    seeds: tuple[int, ...]
    on_test: bool  # chosen on the evaluated stream itself
    space: dict[str, str]  # what was searched, by name
    flops: int = Field(ge=0)  # of all updates of all trials
    changed: tuple[str, ...] = ()  # hyperparameters that the run has otherwise

    @property
    def text(self) -> str:
        """The budget in short."""
        spent = f"{self.used} of " * (self.used < self.trials) + f"{self.trials} trials"
        marks = ["ON TEST"] * self.on_test + [f"{len(self.changed)} changed"] * bool(self.changed)
        return ", ".join([spent, *marks])

    @property
    def budget(self) -> str:
        """Digest of what has to be the same for methods to be tuned alike."""
        fields = {"trials", "sampler", "objective", "seeds", "on_test"}
        prints = {"fingerprint", "source_fingerprint"}
        content = self.model_dump(mode="json", include=fields | prints)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class RunRecord(_Part):
    """One run: stream x method x seed."""

    schema_version: Literal[1] = 1
    stream: StreamRecord
    method: MethodRecord
    hyperparameters: dict[str, Any]
    tuning: TuningRecord | None = None  # None: as the method, the recipe and the user set them
    seed: int = Field(ge=0)
    form: Literal["compact", "full"]
    carry: bool  # the method was rebuilt from its state after every update
    probe_every: int | None = Field(None, ge=1)  # steps between probes inside an update
    relearn: int | None = Field(None, ge=1)  # recipe of attacks on what was forgotten
    layers: tuple[str, ...] = ()  # of the model, whose outputs on the probe were recorded, too
    device: str
    precision: Literal["float32", "bfloat16"]
    threads: int = Field(ge=1)
    stores: tuple[StoreRecord, ...] = ()  # of models that the run did not train itself
    pretrained: tuple[str, ...] | None = None  # weights that were loaded; None: not recorded
    environment: dict[str, str]  # versions of code and libraries, hardware, git revision

    @model_serializer(mode="wrap")
    def _chosen(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what is off: a run without probes reads as runs did before there were any."""
        content: dict[str, Any] = handler(self)
        for name in ("stores", "layers"):
            if not content.get(name):
                content.pop(name, None)
        for name in ("probe_every", "relearn"):
            if content.get(name) is None:
                content.pop(name, None)
        return content

    @property
    def tuned(self) -> str:
        """How the hyperparameters were chosen, in short."""
        return self.tuning.text if self.tuning else "defaults"

    @property
    def setup(self) -> str:
        """Digest of all that decides the result but the seed: runs that share it are repeats."""
        return self._digest(with_seed=False)

    @property
    def key(self) -> str:
        """Digest of all that decides the result: a cell of a sweep."""
        return self._digest(with_seed=True)

    def _digest(self, *, with_seed: bool) -> str:
        parts = [
            self.stream.fingerprint,
            self.stream.source_fingerprint,
            self.method.name,
            self.method.code,
            self.hyperparameters,
            self.form,
            self.carry,
            self.device.partition(":")[0],
            self.precision,
            self.seed if with_seed else None,
        ]
        parts += [] if self.tuning is None else [{"tuning": self.tuning.budget, "as": self.tuned}]
        parts += [] if self.probe_every is None else [{"probe_every": self.probe_every}]
        parts += [] if self.relearn is None else [{"relearn": self.relearn}]
        parts += [{"layers": self.layers}] if self.layers else []
        exclude = set() if with_seed else {"rows"}
        parts += [store.model_dump(exclude=exclude) for store in self.stores]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
