"""The loop that one would write by hand for one stream: no method, no ledger, no checks.

Data are resident uint8 tensors, batches are index gathers, the layout is channels-last, the
optimiser is fused. It draws what the runner draws, in the same order, so that its weights must be
those of the run, bit for bit.
"""

import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from clbench.augment import augment
from clbench.model.backbone import SMALL
from clbench.opening import Opened
from clbench.seeds import derive
from tests.benchmarks.measure import Parts

EVAL_BATCH = 64


def train_by_hand(opened: Opened, recipe: dict[str, Any], seed: int) -> tuple[nn.Module, Parts]:
    """Finetune through a class-incremental stream; the model, and seconds update by update."""
    stream, source = opened.stream, opened.source
    mapping = torch.from_numpy(stream.label_map(len(source.classes)))
    x, test_x = (torch.from_numpy(split.x.copy()) for split in (source.train, source.test))
    y, test_y = (mapping[torch.from_numpy(split.y.copy())] for split in (source.train, source.test))
    tests = [torch.from_numpy(evaluation.samples) for evaluation in stream.evals]
    torch.manual_seed(derive(seed, "build"))
    model = started(recipe["backbone"], source.train.shape)
    parts: Parts = {"training": [], "evaluation": []}
    for index, update in enumerate(stream.updates):
        start = time.perf_counter()
        torch.manual_seed(derive(seed, "update", index + 1))
        model[1] = grown(model[1], stream.n_classes(index + 1))
        generator = torch.Generator().manual_seed(derive(seed, "view", index))
        ids = torch.from_numpy(update.samples)
        learn(model, x, y, ids, recipe["training"], stream.protocol.epochs, generator)
        trained = time.perf_counter()
        evaluate(model, test_x, test_y, tests[: index + 1])
        parts["training"].append(trained - start)
        parts["evaluation"].append(time.perf_counter() - trained)
    return model, parts


def learn(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    ids: Tensor,
    training: dict[str, Any],
    epochs: int,
    generator: torch.Generator,
) -> None:
    """Train on one update."""
    how, size = training.get("augment", "none"), training.get("batch_size", 32)
    optimiser = torch.optim.SGD(
        model.parameters(), training["lr"], momentum=training.get("momentum", 0.0), fused=True
    )
    for _ in range(epochs):
        order = ids[torch.randperm(len(ids), generator=generator)]
        # As the runner does, a last sample alone joins the batch before.
        alone = len(ids) > size and len(ids) % size == 1
        whole = order[: len(ids) - size - 1] if alone else order
        for some in (*whole.split(size), *([order[len(whole) :]] if alone else [])):
            raw = augment(x.index_select(0, some), how, generator)
            loss = cross_entropy(model(raw.float().div_(255)), y.index_select(0, some))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()


@torch.inference_mode()
def evaluate(model: nn.Module, x: Tensor, y: Tensor, tests: list[Tensor]) -> list[float]:
    """Accuracy on each test set."""
    model.eval()
    accuracies = []
    for ids in tests:
        answers = [model(x[some].float().div_(255)).argmax(1) for some in ids.split(EVAL_BATCH)]
        accuracies.append(float((torch.cat(answers) == y[ids]).float().mean()))
    model.train()
    return accuracies


def started(backbone: str, shape: tuple[int, ...]) -> nn.Sequential:
    """A backbone under a head that has no classes yet."""
    body = SMALL[backbone](shape)
    with torch.no_grad():
        features = body(torch.zeros(1, *shape)).shape[1]
    model = nn.Sequential(body, nn.Linear(features, 1))
    model[1].out_features = 0
    return model.to(memory_format=torch.channels_last) if len(shape) == 3 else model


def grown(old: nn.Linear, n_classes: int) -> nn.Linear:
    """A head of more classes that keeps the old rows."""
    head, known = nn.Linear(old.in_features, n_classes), old.out_features
    with torch.no_grad():
        head.weight[:known], head.bias[:known] = old.weight[:known], old.bias[:known]
    return head
