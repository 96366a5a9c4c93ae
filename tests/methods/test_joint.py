"""Joint training: everything so far, from the start, each time; a control is granted the past."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from clbench import state
from clbench.cost import FlopMeter
from clbench.errors import ClbenchError
from clbench.method import View
from clbench_methods.finetune import Finetune
from clbench_methods.joint import Joint
from living import begun, data, gaussians, same, stream_of, versions, weights

SMALL = {"backbone": "mlp,width=8"}


def test_on_one_update_it_is_finetuning(tmp_path: Path) -> None:
    source = gaussians()
    stream = stream_of(source, increment=4, epochs=3)
    (one,) = versions(begun(tmp_path, Joint, stream, source, **SMALL))
    (two,) = versions(begun(tmp_path, Finetune, stream, source, **SMALL))
    assert same(weights(one), weights(two))


def test_every_update_reads_all_data_so_far_and_nothing_else(tmp_path: Path) -> None:
    source = gaussians()
    run = begun(tmp_path, Joint, stream_of(source, epochs=1), source, **SMALL)
    for version in (1, 2):
        view = run.update(run.built(), version, FlopMeter())
        assert view.read.nonzero()[:, 0].tolist() == run.stream.retained(version).tolist()


def test_an_update_starts_anew_whatever_was_learned_before(tmp_path: Path) -> None:
    source = gaussians()
    run = begun(tmp_path, Joint, stream_of(source, epochs=2), source, **SMALL)
    *_, expected = versions(run)
    spoiled = next(versions(run))
    with torch.no_grad():
        for p in spoiled.model.parameters():
            p.normal_()
    again = run.rebuilt(state.pack(spoiled.state()))
    run.update(again, 2, FlopMeter())
    assert same(weights(again), weights(expected))


def test_it_learns_what_finetuning_forgets(tmp_path: Path) -> None:
    source = gaussians()
    run = begun(tmp_path, Joint, stream_of(source, epochs=20), source, **SMALL)
    *_, last = versions(run)
    for version in (1, 2):
        x, y = data(run, version)
        assert float((last.predict(x).argmax(1) == y).float().mean()) > 0.7


class Retrains(Joint):
    """Not a control, but needs what a control needs."""

    card = replace(Joint.card, name="retrains", control=False)


def test_the_past_is_granted_to_a_control_and_recorded(tmp_path: Path) -> None:
    source = gaussians()
    run = begun(tmp_path, Joint, stream_of(source), source)
    assert run.record.method.granted == ("past",)
    assert begun(tmp_path, Finetune, stream_of(source), source).record.method.granted == ()


def test_the_past_is_refused_to_others_before_training(tmp_path: Path) -> None:
    source = gaussians()
    with pytest.raises(ClbenchError, match="retrains needs past data, which test does not grant"):
        begun(tmp_path, Retrains, stream_of(source), source)


def test_a_protocol_may_grant_the_past_to_all(tmp_path: Path) -> None:
    source = gaussians()
    run = begun(tmp_path, Retrains, stream_of(source, past="all", epochs=1), source, **SMALL)
    assert len(list(versions(run))) == 2
    assert run.record.method.granted == ()


def test_the_past_is_not_handed_out_unasked(tmp_path: Path) -> None:
    class Peeks(Finetune):
        def learn(self, view: View) -> None:
            next(view.batches(self.training, with_past=True))

    source = gaussians()
    run = begun(tmp_path, Peeks, stream_of(source), source, **SMALL)
    with pytest.raises(ClbenchError, match="which the protocol does not grant"):
        run.update(run.built(), 1, FlopMeter())
