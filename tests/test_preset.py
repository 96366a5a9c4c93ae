"""Presets: a name always means the same stream."""

from pathlib import Path

import pytest

from clbench.errors import ClbenchError
from clbench.preset import open_preset, presets
from conftest import SHARED

FINGERPRINTS = {
    "split-digits": "b4ff8be3d0e4ef5ea771cdee9588e62ad5fc7c91843b4c18ea70be4ca5bac8ec",
}
SHARED_FINGERPRINTS = {
    "split-cifar100-150-10": "e68c0346090fa5779488f2721fff2ac7767b6326bd47da7568fb68deaf54b7df",
    "split-cifar100-150-b50-10": "217d9c8ea8a98d042cc2cf0ce14829d027db973373ec9b9ec79c16739119e50a",
}
# Their generator and class order are held by TestFingerprint.test_of_a_hundred_classes.
WITHOUT_DATA = {"split-cifar100-10", "split-cifar100-b50-10"}


class TestFingerprints:
    def test_every_preset_is_held(self) -> None:
        assert set(presets()) == {*FINGERPRINTS, *SHARED_FINGERPRINTS, *WITHOUT_DATA}

    @pytest.mark.parametrize("name", FINGERPRINTS)
    def test_of_embedded_data(self, name: str) -> None:
        assert open_preset(name).stream.fingerprint == FINGERPRINTS[name]

    @pytest.mark.shared
    @pytest.mark.parametrize("name", SHARED_FINGERPRINTS)
    def test_of_shared_data(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CLBENCH_DATA", str(SHARED / "data"))
        assert open_preset(name).stream.fingerprint == SHARED_FINGERPRINTS[name]

    def test_frozen_features_share_the_fingerprint(self) -> None:
        stream = open_preset("split-digits", embed="mlp").stream
        assert stream.fingerprint == FINGERPRINTS["split-digits"]

    def test_a_protocol_that_differs_does_not_and_the_name_says_so(self) -> None:
        stream = open_preset("split-digits", protocol={"epochs": 1}).stream
        assert stream.fingerprint != FINGERPRINTS["split-digits"]
        assert stream.name == "split-digits+epochs=1"

    def test_a_protocol_field_as_it_is_changes_nothing(self) -> None:
        stream = open_preset("split-digits", protocol={"epochs": 10}).stream
        assert stream.fingerprint == FINGERPRINTS["split-digits"]
        assert stream.name == "split-digits"


class TestErrors:
    def test_an_unknown_name_gets_the_nearest(self) -> None:
        with pytest.raises(ClbenchError, match=r"unknown stream 'split-digit'; .* 'split-digits'"):
            open_preset("split-digit")

    def test_an_unknown_protocol_field_gets_the_nearest(self) -> None:
        with pytest.raises(
            ClbenchError, match="protocol field of split-digits 'epoch'; did you mean 'epochs'"
        ):
            open_preset("split-digits", protocol={"epoch": 1})

    @pytest.mark.parametrize(
        ("field", "value", "complaint"),
        [
            ("epochs", "many", "valid integer.*, got 'many'"),
            ("epochs", 0, "is 0; it must be 1 or more"),
            ("memory_bytes", 2.5, "valid integer.*, got 2.5"),
            ("past", "some", "'none' or 'all', got 'some'"),
            ("setting", "online", "'class-incremental', .*, got 'online'"),
            ("task_ids", "perhaps", "valid boolean.*, got 'perhaps'"),
        ],
    )
    def test_a_wrong_value_is_named(self, field: str, value: object, complaint: str) -> None:
        with pytest.raises(ClbenchError, match=rf"protocol field {field} .*?{complaint}"):
            open_preset("split-digits", protocol={field: value})

    @pytest.mark.parametrize("name", sorted({*SHARED_FINGERPRINTS}))
    def test_data_that_are_not_there_are_asked_for(
        self, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("CLBENCH_DATA", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ClbenchError, match=rf"no folder cifar100-150 in .*{tmp_path}"):
            open_preset(name)

    def test_an_unknown_option_of_a_source_gets_the_nearest(self) -> None:
        with pytest.raises(
            ClbenchError, match=r"option of source synthetic 'clases'; .* 'classes'"
        ):
            open_preset("split-digits", source="synthetic,clases=10")

    def test_a_source_with_too_few_classes_is_refused(self) -> None:
        with pytest.raises(ClbenchError, match="3 classes do not divide"):
            open_preset("split-digits", source="synthetic,classes=3")
