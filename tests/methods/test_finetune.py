"""Finetuning is the plain PyTorch loop."""

from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from clbench.play import Run
from clbench.seeds import derive
from clbench_methods.finetune import Finetune
from living import assert_close, begun, data, gaussians, stream_of, versions, weights

TRAINING = {"lr": 0.2, "momentum": 0.5, "weight_decay": 0.01, "batch_size": 16}


def plain(run: Run, version: int, model: torch.nn.Module, n_classes: int, epochs: int) -> None:
    """The loop as one would write it, with torch's own optimiser, and the same shuffles."""
    shuffles = torch.Generator().manual_seed(derive(0, "view", version - 1))
    torch.manual_seed(derive(0, "update", version))
    model.grow(n_classes)  # type: ignore[operator]
    sgd = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.5, weight_decay=0.01)
    x, y = data(run, version)
    for _ in range(epochs):
        for some in torch.randperm(len(x), generator=shuffles).split(16):
            sgd.zero_grad()
            cross_entropy(model(x[some]), y[some]).backward()
            sgd.step()


def test_it_is_the_loop_that_one_would_write(tmp_path: Path) -> None:
    source = gaussians()
    given = {"backbone": "mlp,width=8", "training": TRAINING}
    run = begun(tmp_path, Finetune, stream_of(source, epochs=3), source, **given)
    model = run.built().model
    for version, method in enumerate(versions(run), start=1):
        plain(run, version, model, 2 * version, epochs=3)
        expected = {name: p.detach() for name, p in model.named_parameters()}
        assert_close(weights(method), expected, rtol=1e-5, atol=1e-6)
