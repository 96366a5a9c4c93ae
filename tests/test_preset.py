"""Presets: a name always means the same stream."""

from pathlib import Path

import pytest

from clbench.errors import ClbenchError
from clbench.preset import open_preset, presets

SHARED = Path(__file__).parent.parent.parent / "shared"
FINGERPRINTS = {
    "split-digits": "e41b7442c2a00166adbd69acc44e905b19b96af729db4ea0ed2954c233687f31",
}
SHARED_FINGERPRINTS = {
    "split-cifar100-150-10": "30e4071f2768f6270968975ac5df0473dd292f1a1a4d1a2e14da462fb98b733f",
    "split-cifar100-150-b50-10": "e5e8b60a2bcc52fa69380a5e544d716a94a480b780c669340038029e42fa509f",
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
