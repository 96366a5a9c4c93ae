"""The scores of updates on real ledgers: of replacement, of new classes and of unlearning."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clbench.evidence import Evidence
from clbench.ledger import Ledger
from clbench.metric.compatibility import compatibility_matrix
from clbench.metric.graded import seed_noise
from clbench.play import play
from clbench.running import load_method
from clbench.score import score_runs
from clbench.settings import Settings
from clbench.stream import Protocol, Stream
from clbench_scenarios.class_incremental import class_incremental
from clbench_scenarios.replacement import replacement
from clbench_scenarios.unlearning import unlearning
from living import gaussians

SOURCE = gaussians(per_class=12)
TRAINING = {"backbone": "mlp,width=8", "training": {"lr": 0.05}}
SHARES = ("both_right_rate", "negative_flip_rate", "positive_flip_rate", "same_error_rate")
SHARES += ("changed_error_rate",)
MARGINS = ("borderline_negative_flip_rate", "confident_negative_flip_rate")
GRADED = ("graded_negative_flip_rate", "graded_positive_flip_rate")
GALLERY = ("average_compatibility", "compatibility_margin", "average_multimodel_accuracy")
STREAMS: dict[str, tuple[Stream, str]] = {
    "replacement": (
        replacement(SOURCE, "r", Protocol(epochs=2), shares=[0.5, 1.0, 1.0]),
        "no_treatment",
    ),
    "classes": (class_incremental(SOURCE, "c", Protocol(epochs=2), increment=2), "finetune"),
    "unlearning": (
        unlearning(
            SOURCE, "u", Protocol(epochs=2, retained=1.0), forget={"name": "random", "size": 8}
        ),
        "finetune_retain",
    ),
}


def played(folder: Path, name: str, seed: int = 0, **given: Any) -> Ledger:
    stream, method = STREAMS[name]
    hyperparameters = TRAINING | given
    return play(
        stream, SOURCE, load_method(method), hyperparameters, seed, folder, Settings(threads=1)
    )


@pytest.mark.parametrize("name", STREAMS)
def test_flips_are_scored_on_ledgers_of_every_kind(tmp_path: Path, name: str) -> None:
    names = (*SHARES, *MARGINS, *GRADED, *GALLERY)
    (run,) = score_runs([played(tmp_path, name)], names).runs
    values = {each: run.values[each].value for each in names}
    assert None not in values.values()
    found = {each: float(values[each] or 0) for each in names}
    assert sum(found[each] for each in SHARES) == pytest.approx(1)
    assert sum(found[each] for each in MARGINS) <= found["negative_flip_rate"]


def test_other_backbones_features_have_no_gallery_in_common(tmp_path: Path) -> None:
    ledger = played(tmp_path, "replacement", backbones="mlp,width=6")
    (run,) = score_runs([ledger], GALLERY).runs
    assert {score.why for score in run.values.values()} == {
        "models of 6 and of 8 features cannot search each other's gallery"
    }


def test_galleries_are_of_what_the_versions_embed(tmp_path: Path) -> None:
    evidence = Evidence(played(tmp_path, "replacement"))
    expected = compatibility_matrix(evidence.galleries, evidence.gallery_labels)
    np.testing.assert_array_equal(evidence.compatibility, expected)
    assert expected.shape == (3, 3)
    np.testing.assert_array_equal(evidence.gallery_labels, SOURCE.test.y)  # the probe is all


def test_noise_between_seeds_is_that_of_an_update_that_changes_the_seed_alone(
    tmp_path: Path,
) -> None:
    """Versions 2 and 3 are trained alike: as far apart as two runs."""
    runs = [Evidence(played(tmp_path, "replacement", seed)) for seed in range(3)]
    scores = np.stack([run.right_probability[3] for run in runs])
    floor = seed_noise(scores, 0.1)
    assert 0 <= floor <= 0.5
    flips = [seed_noise(np.stack(run.right_probability[2:]), 0.1) for run in runs]
    assert floor == pytest.approx(np.mean(flips), abs=0.2)
