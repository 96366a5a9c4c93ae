"""What the runner costs over a hand-written loop that does the same arithmetic.

Training covers what `learn` does and packing the state that is carried. Evaluation covers, by
hand, one pass over the test samples of the classes seen; by the runner also a pass of the 512
probe samples, the predictions as a Parquet table, and the method made anew from its state. The
rest is the ledger: files written and synced.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from clbench import state
from clbench.ledger import Ledger
from tests.benchmarks.bare import train_by_hand
from tests.benchmarks.measure import Parts, Result, Turn, interleave, quietest, ratios, seconds
from tests.benchmarks.setting import CONVNET, MLP, Setting, recipe, run_ours, stages

TARGETS = {MLP: 0.25, CONVNET: 0.05}
ROUNDS = {MLP: 20, CONVNET: 4}


def run() -> Iterator[Result]:
    """Training, evaluation and the ledger, for the MLP and for the convolutional network."""
    for setting, most in TARGETS.items():
        if setting.available:
            yield from _compare(setting, most, ROUNDS[setting])
        else:
            yield Result("overhead", str(setting), "not measured: its data are not here")


def _compare(setting: Setting, most: float, rounds: int) -> Iterator[Result]:
    models: list[nn.Module] = []
    ledgers: list[Ledger] = []

    def by_hand() -> Parts:
        torch.set_num_threads(setting.threads)
        model, parts = train_by_hand(setting.opened, recipe(setting, "finetune", {}), seed=0)
        models.append(model)
        return parts

    def by_runner() -> Parts:
        ledgers.append(run_ours(setting, "finetune"))
        return stages(ledgers[-1])

    turns = interleave({"hand": by_hand, "runner": by_runner}, rounds)
    added, text = _added(turns, "training")
    yield Result("overhead", f"{setting}: training", text, f"<= {most:.0%}", added <= most)
    yield Result("overhead", f"{setting}: evaluation", _added(turns, "evaluation")[1])
    yield Result("overhead", f"{setting}: all, the ledger too", _added(turns)[1])
    same = _same_weights(models[-1], ledgers[-1])
    yield Result("overhead", f"{setting}: weights", f"the same: {same}", "the same", same)


def _added(turns: dict[str, list[Turn]], *parts: str) -> tuple[float, str]:
    hand, runner = quietest(turns["hand"], *parts), quietest(turns["runner"], *parts)
    updates = len(turns["hand"][0].parts["training"])
    text = f"{runner / hand - 1:+.1%}: {seconds(hand)} -> {seconds(runner)}, "
    text += f"{seconds((runner - hand) / updates)} an update; "
    return runner / hand - 1, text + ratios(turns["runner"], turns["hand"], *parts)


def _same_weights(model: nn.Module, ledger: Ledger) -> bool:
    """Whether the hand-written loop ends with the weights that the run recorded."""
    files = {n: ledger.read(ledger.versions - 1, n) for n in (state.TENSORS, state.VALUES)}
    recorded = state.unpack(files, torch.device("cpu"))["model"].values()
    pairs = zip(
        sorted(recorded, key=_order), sorted(model.state_dict().values(), key=_order), strict=True
    )
    return all(a.shape == b.shape and torch.equal(a, b) for a, b in pairs)


def _order(tensor: Tensor) -> tuple[tuple[int, ...], float]:
    return tuple(tensor.shape), float(tensor.double().sum())
