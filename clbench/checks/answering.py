"""How a method answers: each input by itself, and without a trace."""

import torch

from clbench import state
from clbench.checks.base import BrokenContract, close
from clbench.method import Method
from clbench.model.modes import modules_in
from clbench.subject import Subject, inputs, played


def answers_do_not_depend_on_the_batch(subject: Subject) -> None:
    """The same input gets the same answer alone, in a crowd, and in another order."""
    remedy = "answer in eval mode (`with evaluating(self.model)`), each input by itself"
    with subject.run() as run:
        method, x = played(run, 2), inputs(run)
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
        for ask in (method.predict, method.embed):
            whole, name = ask(x.clone()), ask.__name__
            parts = torch.cat([ask(part) for part in x.clone().split(7)])
            close(whole, parts, f"{name} in batches of 7", remedy)
            close(whole[order], ask(x[order]), f"{name} in another order", remedy)
            close(whole[:1], ask(x[:1].clone()), f"{name} of one input alone", remedy)


def answering_changes_nothing(subject: Subject) -> None:
    """Modes, state and inputs are after predict and embed what they were before."""
    with subject.run() as run:
        method, x = played(run, 1), inputs(run)
        before, given = (modes(method), state.pack(method.state())), x.clone()
        method.predict(x)
        method.embed(x)
        after = (modes(method), state.pack(method.state()))
    if before[0] != after[0]:
        raise BrokenContract("predict or embed changes train/eval mode; use `with evaluating(...)`")
    if before[1] != after[1]:
        raise BrokenContract("predict or embed changes the state; leave that to updates")
    if not torch.equal(x, given):
        raise BrokenContract("predict or embed writes into its inputs; work on a copy")


def modes(method: Method) -> list[bool]:
    """Train or eval mode of every module that the method holds, in containers too."""
    return [part.training for module in modules_in(vars(method)) for part in module.modules()]
