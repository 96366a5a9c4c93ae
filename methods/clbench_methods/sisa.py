"""SISA: shards and slices, so that forgetting retrains a part from a checkpoint (1912.03817)."""

import copy
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from clbench.errors import ClbenchError
from clbench.memory.lookup import Lookup
from clbench.method import Card, Field, Method, Network, Space, State, Training, View
from clbench.model.seeding import seed_torch
from clbench.model.voting import answers, majority, mean_probability
from clbench.seeds import derive

Slice = dict[str, Any]  # ids [n], the update and number of classes it came with, weights after it


class SISA(Method):
    """A network a shard of the data, trained slice after slice; they vote."""

    card = Card(
        name="sisa",
        paper="1912.03817",
        family="unlearning",
        plays=("learn", "forget"),
        needs=("retained",),
        stores="statistics",
        notes="Forgetting is exact: affected shards go back to the checkpoint before the first "
        "slice that held a forgotten sample and are retrained, to the same weights as if that "
        "slice had never held it. A slice has an optimiser and random numbers of its own and "
        "trains on the slices of its update so far, for 2 E / (R + 1) epochs, so that all cost E; "
        "one at least. It carries a network and the ids of its samples for each slice. Shards are "
        "as many as in the authors' example, of one slice each there. Where a part of the "
        "retained data is granted, shards are retrained on that part of what they hold. A tied "
        "vote goes to the larger mean probability.",
    )
    carries = ("chains",)

    backbone: str = "mlp"
    training: Training = Training()
    shards: int = Field(5, ge=1, description="S, parts of the data with a network each")
    slices: int = Field(4, ge=1, description="R, parts of a shard with a checkpoint each")
    vote: Literal["majority", "mean"] = "majority"

    def build(self, space: Space) -> None:
        """Make a network for each shard; no slice has been learnt."""
        self.networks = [Network(self.backbone, space) for _ in range(self.shards)]
        self._starts = copy.deepcopy(self.networks)
        self._seed = int(torch.randint(1 << 62, (1,)))
        self.chains: dict[str, dict[str, Slice]] = {str(s): {} for s in range(self.shards)}

    def learn(self, view: View) -> None:
        """Deal the samples to shards and slices, and train each shard along its slices."""
        if not len(view):
            return
        self._check(view)
        for network in self.networks:  # which answer until they are trained anew
            network.grow(view.n_classes)
        held = Lookup(view.chunks())
        first = {s: len(chain) for s, chain in self.chains.items()}
        for s, parts in enumerate(self.deal(held.ids, view)):
            chain = self.chains[str(s)]
            for ids in parts:
                new = {"ids": ids, "update": view.index, "n_classes": view.n_classes}
                chain[str(len(chain))] = new
        self._train(first, held, view)

    def forget(self, view: View) -> None:
        """Take the samples out of their slices, and train those shards from there again."""
        if not len(view):
            return
        gone = torch.cat([batch.ids for batch in view.chunks()])
        first: dict[str, int] = {}
        for s, chain in self.chains.items():
            for r, each in chain.items():
                kept = each["ids"][~torch.isin(each["ids"], gone)]
                if len(kept) < len(each["ids"]):
                    each["ids"] = kept
                    first.setdefault(s, int(r))
        if first:
            self._retrain(first, Lookup(view.retained_chunks()), view)

    def deal(self, ids: Tensor, view: View) -> list[list[Tensor]]:
        """Ids [n] at random to shards, each a list of slices, of sizes that differ by one."""
        order = torch.randperm(len(ids), generator=view.generator).to(ids.device)
        shards = ids[order].tensor_split(self.shards)
        return [list(shard.tensor_split(self.slices)) for shard in shards]

    def _retrain(self, first: dict[str, int], held: Lookup, view: View) -> None:
        """Train shards from a slice on, of whose samples those are left that may be read."""
        for s, start in first.items():
            for each in list(self.chains[s].values())[start:]:
                each["ids"] = held.among(each["ids"])
        self._train(first, held, view)

    def _train(self, first: dict[str, int], held: Lookup, view: View) -> None:
        """Train shards from a slice on, from the checkpoint before it."""
        for s, start in first.items():
            chain = self.chains[s]
            network = copy.deepcopy(self._starts[int(s)])
            if start:
                network.load_state_dict(chain[str(start - 1)]["weights"])
            for r in range(start, len(chain)):
                self._train_slice(network, s, r, held, view)
                weights = {name: t.detach().clone() for name, t in network.state_dict().items()}
                chain[str(r)]["weights"] = weights
            self.networks[int(s)] = network

    def _train_slice(self, network: Network, s: str, r: int, held: Lookup, view: View) -> None:
        """Minimise cross-entropy on the slices so far of the update that a slice came with."""
        chain = self.chains[s]
        new = chain[str(r)]
        so_far = [q for q in range(r + 1) if chain[str(q)]["update"] == new["update"]]
        seed = derive(self._seed, s, r)  # whatever was drawn before, so that retraining is exact
        view.generator.manual_seed(seed)
        seed_torch(seed, view.device)
        network.grow(new["n_classes"])
        raw, y = held.of(held.among(torch.cat([chain[str(q)]["ids"] for q in so_far])))
        step = self.training.start(network)
        passes = self._epochs(len(so_far), view)
        for x, labels in view.rehearse(raw, y, self.training, passes):
            step(cross_entropy(network(x), labels))

    def _epochs(self, position: int, view: View) -> int:
        """Of the slice at a position from 1 to R: its part of 2 E / (R + 1) a slice."""
        total, parts = 2 * view.epochs(self.training), self.slices + 1
        return max(1, total * position // parts - total * (position - 1) // parts)

    def _check(self, view: View) -> None:
        if not self.chains["0"] and len(view) < self.shards:
            raise ClbenchError(
                f"sisa has {self.shards} shards and the first update {len(view)} samples; "
                f"use --set shards={max(1, len(view))} or fewer"
            )

    def load(self, state: State) -> None:
        """Take over the slices; each shard's network is that of its last one."""
        super().load(state)
        for s, chain in self.chains.items():
            if chain:
                self.networks[int(s)].load_state_dict(chain[str(len(chain) - 1)]["weights"])

    def predict(self, x: Tensor) -> Tensor:
        """Logarithms of the shares of votes, or of mean probabilities [B, classes seen]."""
        logits = torch.stack(answers(self.networks, Network.__call__, x))
        return majority(logits) if self.vote == "majority" else mean_probability(logits)

    def embed(self, x: Tensor) -> Tensor:
        """The representations of all networks, one after the other [B, S d]."""
        return torch.cat(answers(self.networks, Network.embed, x), dim=1)
