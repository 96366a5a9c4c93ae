"""Every preset on digits is played and scored: each metric has a value or says why not."""

from pathlib import Path

import numpy as np
import pytest

from clbench.evidence import Evidence
from clbench.opening import open_preset
from clbench.play import play
from clbench.plugin import load
from clbench.preset import presets
from clbench.running import hyperparameters, load_method
from clbench.score import score_runs
from clbench.settings import Settings

ON_DIGITS = [name for name, preset in presets().items() if "digits" in name]
METHOD_OF_ANY = {"backbone": "mlp", "training": {"lr": 0.1, "batch_size": 32}}


@pytest.mark.parametrize("name", ON_DIGITS)
def test_it_is_played_and_scored(name: str, tmp_path: Path) -> None:
    online = presets()[name].protocol.get("online", False)
    opened = open_preset(name, protocol={} if online else {"epochs": 1})
    of_kind = {"forget": "retrain", "replace": "no_treatment"}
    kind = load("methods", "er" if online else of_kind.get(name.partition("-")[0], "finetune"))
    run = (opened.stream, opened.source, kind, METHOD_OF_ANY, 0, tmp_path, Settings(threads=1))
    ledger = play(*run)
    assert ledger.finished
    for metric, score in score_runs([ledger]).runs[0].values.items():
        assert score.value is not None or score.why, metric
    evidence = Evidence(ledger)
    assert len(evidence.accuracy) == len(opened.stream.updates) + 1
    assert np.nanmax(evidence.accuracy) > 0.3  # it learns


def test_online_replay_keeps_what_plain_training_loses(tmp_path: Path) -> None:
    opened, final = open_preset("online-digits"), {}
    for name in ("er", "finetune"):
        kind = load_method(name)
        run = (opened.stream, opened.source, kind, hyperparameters(kind, opened.recipe, {}), 0)
        final[name] = Evidence(play(*run, tmp_path, Settings(threads=1))).correct[-1].mean()
    assert final["er"] > 2 * final["finetune"]
