"""Presets: a name always means the same stream."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from clbench.errors import ClbenchError
from clbench.opening import open_preset
from clbench.preset import presets

SHARED = Path(__file__).parent.parent.parent / "shared"
FINGERPRINTS = {
    "continual-few-shot-digits": "566a0baec7228ce80a0a8b920328b935892340e270795745fcef9e22a8902286",
    "corrupted-digits": "11639834df4528f43394919ca4d3d50bc99ef6e0e44023f109c2baf47e950dc8",
    "few-shot-digits": "2308fc0622865189912678b422b7ce943a75ecc6ee0e4dbb81efbeab08152e30",
    "forget-digits-blind": "3b8a9db903d0e2f2f051807f2d88c4b3654dd6462ca7a6b1a4ab2d1646cd02bc",
    "forget-digits-class": "934795dcb7876776cb22bba273072835222e8bef69351e6d8d84bd9f20d55501",
    "forget-digits-component": "46a36f3a8370c0061859c08cd3910304e7ab37a1a8957b73a290ed06b597e2d3",
    "forget-digits-confusable": "41bb2a064a61c94d64818840f48726616fae5f5610dbae2fcba8120015ac2e64",
    "forget-digits-entangled": "adafdb4007de2180b85a2e717e58e4508f878d9dbe602197fffb56b878ebafd8",
    "forget-digits-influential": "a6f5dca0f0c7fa71ee1db497290ed387f9b9cbe1b33470e97503d2c89fb0c8a8",
    "forget-digits-memorised": "9885d1b7d5855587461ce23c39e0e6efbd0d83e86772e55ac8f88c1d39fbb2c7",
    "forget-digits-mislabelled": "7bf7000e34a65088a7d45822ebfdd8d8f8fa73e5e977045b06dc794a8c49d139",
    "forget-digits-poisoned": "6ccbe648b9df6b58d8c7938ffa41d6afcd0a9c3f5a32e052dff5b625f29ba7b2",
    "forget-digits-random": "c009c3010da5df657d6b5b50cdfc67a094abf6a2ff117f364dcc06358261f546",
    "forget-digits-relearn": "9746e0ab345ec16e73a4974f25f61bb118313648e95e8f9c104690fb44cacbef",
    "forget-digits-requests": "4dfd295d563facfb355127d50cda2bc7c848813aa7dcc6044076a95ea5c1535c",
    "forget-digits-task": "7b302b0a855adf95a9eabf49896c6044c6df37aeac3e4bc75a9b1805d8426e66",
    "forget-digits-tenth": "edb69e51b08aba0c737c62abd0dded820f5f8936b4dc487e4f773ab139dc0706",
    "instances-digits": "528f9a14876283349c6d9dc3dd4b289b95be203a25b81b0f31face328f337b02",
    "instances-noise-digits": "d7f073fd4568a1da020aa240e740b28e7c74600174423d819e3d7e125c0e303d",
    "instances-occluded-digits": "d7f073fd4568a1da020aa240e740b28e7c74600174423d819e3d7e125c0e303d",
    "long-tailed-digits": "74dea0dd7f072de5ef211803d960121418a9fd16ac770954ad8f820c6ac626aa",
    "online-digits": "f63889b234d1440760eba9f959c99363ceaafa3a79e700f4e4db2c7637cf8d05",
    "permuted-digits": "11639834df4528f43394919ca4d3d50bc99ef6e0e44023f109c2baf47e950dc8",
    "repetition-digits": "2d47e89b9e87f390690d5f697a0bceab88d066b5ab9d0c430f83d9e05179993c",
    "replace-digits-backbone": "4f7d12236aef921343fffe1a2065dbe828a45b65a865eed1c2fc927512e1fb19",
    "replace-digits-classes": "48b5fddaefab84a0050dca3ab73ad9cd1638e47bb73da5e3f6de646f56a72d32",
    "replace-digits-data": "9ac386178a854a217a859e4c33d4cba78d72e3673befc17c5ffc01c249b83bd6",
    "replace-digits-seed": "1adadf56b2f04be1fd29fdd41a27f1ea11d9ba07ab4e652a901c6c7583fde35a",
    "rotated-digits": "11639834df4528f43394919ca4d3d50bc99ef6e0e44023f109c2baf47e950dc8",
    "si-blurry-digits": "69aea3d7f5c9685cced00016406d53959a292061b7bd3ddf9f6b685fc89b3b8e",
    "split-digits": "e41b7442c2a00166adbd69acc44e905b19b96af729db4ea0ed2954c233687f31",
    "split-digits-task": "33421f1414780c7c07bf4d8c9c6558e09ce8d8fb386caa5c4c14c8f41bb1ada9",
    "three-digits": "2d74545bd80185616ed9ef99e655bd18fdcf1726d1c33b992396e2ae614a46ff",
}
SHARED_FINGERPRINTS = {
    "continual-few-shot-cifar100-150": (
        "20b2518729aa907302d5448e57902903e687e6455a8c9a6a0fcd844489a53d4d"
    ),
    "few-shot-cifar100-150": "a26aa59a8b9c430c0569015e440acfb26a32aca42c067a9eda4048a5d7a213ef",
    "forget-cifar100-150-class": "1fa50eb1be3dacf02a5a0754c0b9a176e502322fdc4afcec7f9784ae16f71a83",
    "forget-cifar100-150-mislabelled": (
        "ee90013d9beca346c3aebb01b3ffab107836a9c7beea22cc24434b1e6a495112"
    ),
    "forget-cifar100-150-random": (
        "68ddd1be056b7f8fd2a86641400e7c6ccc4d2b68225a7104346e7514458805fb"
    ),
    "forget-cifar100-150-requests": (
        "3432dc9e111afba79d6d86a2326b1ed70fc841ef373febfb249eaffd9afd3b46"
    ),
    "forget-cifar100-150-subclass": (
        "ac79ab1939fd06178dbf636572566351b81adbd1a3c64b55c8313b9b25d5f850"
    ),
    "forget-cifar100-150-task": "fca2e49cc7e44b836006a8390138bd4b26e2f3886d7001f94e955d93aa2377d1",
    "instances-cifar100-150": "451e8effdecb094635f333ccd7e5d524907a31a8cc313d5bf3200ea4decae808",
    "instances-noise-cifar100-150": (
        "30f645c903b1b755fedf40ad904c967def1b43562ddfd8ca79e94c5454883d90"
    ),
    "instances-occluded-cifar100-150": (
        "30f645c903b1b755fedf40ad904c967def1b43562ddfd8ca79e94c5454883d90"
    ),
    "long-tailed-cifar100-150": "a4ad249afc08432abdbcac116e0435ab5906a7ed2c79df7062f43752a75ff20a",
    "online-cifar100-150": "a12f4b35c5fb3b64be5d015fb227ef3ff93288160fbd82b790b2f1a88627449d",
    "repetition-cifar100-150": "7175b6d4332b6a4347956d4972c3ccd062f23b44915438e30e8fceca1b19a126",
    "replace-cifar100-150-backbone": (
        "d12c346423b0f8d856736653f27dcb0a88bd5c01e377f31c23335d8660fcefbe"
    ),
    "replace-cifar100-150-classes": (
        "611a11ed0396e0881b275be5a57a9666b01d5699aa2ab1556993a0eec392d35c"
    ),
    "replace-cifar100-150-data": (
        "8dc8d0eb8a54eff435f79c1b39d9ecb084bbf3ff43f8d66c027fe8a1d0d8ed9d"
    ),
    "si-blurry-cifar100-150": "4cdcd873329203e278ea312b78f03a8e85fc2212a024016c903fac74c459efcc",
    "split-cifar100-150-10": "30e4071f2768f6270968975ac5df0473dd292f1a1a4d1a2e14da462fb98b733f",
    "split-cifar100-150-b50-10": "e5e8b60a2bcc52fa69380a5e544d716a94a480b780c669340038029e42fa509f",
    "superclasses-cifar100-150": "7bc3dcd5b3e3ae49e7347b6e48bb626f8f8b0460beb6620eb190858d2c722437",
}
# Features take minutes; the two whose ids are not chosen by features have those of the images.
FROZEN = {
    "forget-frozen-cifar100-150-class": "forget-cifar100-150-class",
    "forget-frozen-cifar100-150-random": "forget-cifar100-150-random",
}
# Where the data are not here: what a preset makes of a stand-in with as many classes, and what it
# names as its source, in whose place the stand-in is.
OF_CIFAR100 = {
    "split-cifar100-10": "f94f60d9c9a8cacce2e93f9368531829e99176406dad459052904c36f50d0086",
    "split-cifar100-b50-10": "db7fc83cc7a12d389512340666e8bc6e9b521c7f195dc6edd573aaa37e474017",
}
OF_CIFAR10 = {
    "forget-cifar10-random": "1cfa8f511923ad0153c524b1dc930db36dbe608c7ccd5dbee624ba53b91bc3a7",
    "forget-cifar10-1000": "527e9e707365caaa7883025f5bd4bc4796ce31c5bfeffa1e8012ba2029742f00",
    "forget-cifar10-class": "d3de5619fb6baebca7a01cf79a354567741660210d01c329bb253f694759b85e",
    "forget-cifar10-within-class": (
        "9a1305d55512ca0bea16149f9f5acf3f4195ac5e8e140b733240aec27f319182"
    ),
    "forget-cifar10-memorised": "85e97519eef59eaa6c6f305065d9c45ee57743395a46473082cc0a8743be45a9",
    "forget-cifar10-entangled": "91200d3d5c3f742108a0f70ade1519176b4568f2d39fabde56d771add5c46e55",
}
OF_FEATURES = {
    "forget-frozen-cifar100-150-class": (
        "5cdefcc1ea563f6a466526bcddd9197b4f72a071281193ed99f8ff27ffd355f6"
    ),
    "forget-frozen-cifar100-150-random": (
        "919b38431da86093493c3ea3765f602ff70a6623c6cfc3da8e82effdf316d3c7"
    ),
    "forget-frozen-cifar100-150-confusable": (
        "80f77d81a7b239fcb09afb940cfe7aa67bf3085bbecdba736bde67d7b2a52cf7"
    ),
    "forget-frozen-cifar100-150-memorised": (
        "e464b301b283200c9e94b3b4da27839ab6b520e874c6047444289d7cda80f976"
    ),
    "forget-frozen-cifar100-150-entangled": (
        "ab01953fe3525a2e5ea6e082b56c12bdd1db3182be3896a68382aa6ee511406a"
    ),
    "forget-frozen-cifar100-150-component": (
        "6d3c1a18ab741bdd9bec21739c4c9946de3b2e1d3d7185eb7ae7916e091a548f"
    ),
}
TEN = "synthetic,classes=10,per_class=500,test_per_class=10,dim=4"
HUNDRED = "synthetic,classes=100,per_class=10,test_per_class=2,dim=4"
HUB = {"name": "huggingface", "path": "uoft-cs/cifar100", "label": "fine_label"}
EMBEDDED = {
    "name": "embedded",
    "source": "huggingface,path=cifar100-150,label=fine_label",
    "backbone": "resnet10t,mean_std=imagenet,weights=resnet10t_cifar10_32.safetensors",
}
WITHOUT_DATA = {
    **dict.fromkeys(OF_CIFAR100, (HUB, HUNDRED)),
    **dict.fromkeys(OF_CIFAR10, ("torchvision,name=CIFAR10", TEN)),
    **dict.fromkeys(OF_FEATURES, (EMBEDDED, HUNDRED)),
}
STOOD_IN = {**OF_CIFAR100, **OF_CIFAR10, **OF_FEATURES}

# Fingerprints of streams do not see pixels; these do: no copy may be drawn otherwise.
ALTERED = {
    "corrupted-digits": "1d875641419aa3da6e4191339a60fbf061b1087a03b4938a0a96fa65c873467c",
    "forget-digits-poisoned": "4b22101ef850fdfe80fd78c3e18cc03b0957e6dece548f2870464c0d3b919cc5",
    "instances-digits": "5f720ccf29570efdef134470c637c6e080d7ea40c026c63adbf31137fe5c0be6",
    "instances-noise-digits": "da8f9eacef686e076bda12a5c2f0ed3d686ba8f12e8cd1c0d318a359757d7f45",
    "instances-occluded-digits": "8479513e712798d2286dceebaa7db87083f8c86d8765c7ceee5090dbe4ef9aec",
    "permuted-digits": "95428baa377b7a4b884926406d69305683efa1d292b27eac254b765066db3337",
    "rotated-digits": "ea6c4af228a2ba7444bbc8c92beccd84eb2512cf7fada9efde48a16fc7c05994",
    "three-digits": "b5145ede4ff2e734a9a3d5620884ca00e964111f9064d4e306ca3b3ef18708da",
}


def without(options: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key != name}


class TestFingerprints:
    def test_every_preset_is_held(self) -> None:
        assert set(presets()) == {*FINGERPRINTS, *SHARED_FINGERPRINTS, *FROZEN, *WITHOUT_DATA}

    @pytest.mark.parametrize("name", FINGERPRINTS)
    def test_of_embedded_data(self, name: str) -> None:
        assert open_preset(name).stream.fingerprint == FINGERPRINTS[name]

    @pytest.mark.shared
    @pytest.mark.parametrize("name", SHARED_FINGERPRINTS)
    def test_of_shared_data(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CLBENCH_DATA", str(SHARED / "data"))
        assert open_preset(name).stream.fingerprint == SHARED_FINGERPRINTS[name]

    @pytest.mark.shared
    @pytest.mark.parametrize("name", FROZEN)
    def test_of_frozen_features(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CLBENCH_DATA", str(SHARED / "data"))
        images = "huggingface,path=cifar100-150,label=fine_label"
        made = open_preset(name, source=images, protocol={"epochs": 40})
        assert made.stream.fingerprint == SHARED_FINGERPRINTS[FROZEN[name]]

    @pytest.mark.parametrize("name", WITHOUT_DATA)
    def test_of_a_stand_in_where_the_data_are_not_here(self, name: str) -> None:
        source, stand_in = WITHOUT_DATA[name]
        assert presets()[name].source == source
        assert open_preset(name, source=stand_in).stream.fingerprint == STOOD_IN[name]

    @pytest.mark.parametrize("name", ["split-cifar100-10", "forget-cifar10-memorised"])
    def test_a_stand_in_sees_every_option_and_rule_of_a_preset(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Any that is left out of the preset changes what the stand-in makes of it."""
        usual, (_, stand_in) = presets()[name], WITHOUT_DATA[name]
        rules, generator = usual.protocol, usual.generator
        less = [{"generator": without(generator, each)} for each in generator if each != "name"]
        less += [{"protocol": without(rules, each)} for each in rules]
        found = {STOOD_IN[name]}
        for changes in less:
            altered = {name: usual.model_copy(update=changes)}
            monkeypatch.setattr("clbench.opening.presets", lambda altered=altered: altered)
            try:
                found.add(open_preset(name, source=stand_in).stream.fingerprint)
            except ClbenchError:  # it cannot do without
                found.add(str(changes))
        assert len(found) == 1 + len(less)

    @pytest.mark.parametrize("name", ALTERED)
    def test_of_the_pixels_of_altered_copies(self, name: str) -> None:
        assert open_preset(name).source.fingerprint == ALTERED[name]

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
