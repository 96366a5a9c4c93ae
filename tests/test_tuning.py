"""Tuning streams: what is chosen on them has seen nothing that is evaluated."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from clbench import opening
from clbench.details import details
from clbench.errors import ClbenchError
from clbench.opening import open_preset
from clbench.preset import Preset, presets
from clbench.source import Source, Split
from clbench.source import digits as digits_module

ON_DIGITS = [name for name, preset in presets().items() if "digits" in name]


def digits_with_other_test_samples() -> Callable[[], Source]:
    real = digits_module.digits

    def poisoned() -> Source:
        made = real()
        return replace(made, test=Split(255 - made.test.x[::-1], made.test.y[::-1]))

    return poisoned


class TestEveryPreset:
    @pytest.mark.parametrize("name", ON_DIGITS)
    def test_no_evaluated_sample_reaches_its_tuning_stream(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        evaluated, plain = open_preset(name), open_preset(f"{name}+tuning")
        monkeypatch.setattr(digits_module, "digits", digits_with_other_test_samples())
        other = open_preset(f"{name}+tuning")
        for split in ("train", "test"):
            one, two = plain.source.split(split), other.source.split(split)
            np.testing.assert_array_equal(one.x, two.x)
        assert plain.stream.fingerprint == other.stream.fingerprint
        assert not np.array_equal(open_preset(name).source.test.x, evaluated.source.test.x)

    @pytest.mark.parametrize("name", ON_DIGITS)
    def test_it_is_another_stream_of_the_same_kind(self, name: str) -> None:
        plain, tuning = open_preset(name), open_preset(f"{name}+tuning")
        assert tuning.stream.name == f"{name}+tuning"
        assert tuning.stream.fingerprint != plain.stream.fingerprint
        assert tuning.stream.protocol == plain.stream.protocol
        assert tuning.recipe == plain.recipe
        assert tuning.source.classes == plain.source.classes


class TestOptions:
    def test_another_source_is_held_out_from(self) -> None:
        opened = open_preset("split-digits+tuning", source="synthetic,per_class=20")
        assert len(opened.source.train) == 160
        assert len(opened.source.test) == 40

    def test_features_are_held_out_from_so_that_they_are_computed_once(self) -> None:
        opened = open_preset("split-digits+tuning", embed="convnet,width=8")
        assert opened.source.spec.name == "held_out"
        assert str(opened.source.spec.options["source"]).startswith("embedded")

    def test_the_protocol_may_differ(self) -> None:
        opened = open_preset("split-digits+tuning", protocol={"epochs": 1})
        assert opened.stream.name == "split-digits+tuning+epochs=1"

    def test_a_preset_may_tune_on_other_classes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        half = Preset.model_validate(
            {
                "about": "four of six classes",
                "source": {"name": "synthetic", "classes": 6},
                "generator": {"name": "class_incremental", "increment": 2, "order": [0, 1, 2, 3]},
                "tuning": {"generator": {"order": [4, 5]}},
            }
        )
        monkeypatch.setattr(opening, "presets", lambda: {"half": half})
        plain, tuning = open_preset("half").stream, open_preset("half+tuning").stream
        assert not set(plain.class_order) & set(tuning.class_order)

    def test_an_unknown_name_gets_the_nearest(self) -> None:
        with pytest.raises(ClbenchError, match=r"unknown stream 'split-digit'; .* 'split-digits'"):
            open_preset("split-digit+tuning")

    def test_it_can_be_looked_at(self) -> None:
        shown = details("online-digits+tuning")
        assert shown["stream"] == "online-digits+tuning"
        assert shown["fingerprint"] == open_preset("online-digits+tuning").stream.fingerprint
        assert shown["updates"]["update 2"] == "learn 50 samples, no new labels"
