"""Plain training that methods share is that of finetuning."""

from pathlib import Path

from clbench.method import Card, Method, Network, Space, Training, View
from clbench.model.fitting import fit
from clbench_methods.finetune import Finetune
from living import begun, gaussians, same, stream_of, versions, weights


class Fitted(Method):
    card = Card(name="fitted", paper="none", family="test")

    backbone: str = "mlp"
    training: Training = Training()

    def build(self, space: Space) -> None:
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        fit(self.model, view, self.training)


def test_it_is_finetuning_to_the_last_bit(tmp_path: Path) -> None:
    source = gaussians()
    given = {"backbone": "mlp,width=8", "training": {"lr": 0.2, "momentum": 0.5}}
    stream = stream_of(source, epochs=3)
    ours = versions(begun(tmp_path, Fitted, stream, source, **given))
    theirs = versions(begun(tmp_path, Finetune, stream, source, **given))
    for one, two in zip(ours, theirs, strict=True):
        assert same(weights(one), weights(two))
