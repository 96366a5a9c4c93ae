"""A cache of its own for every test, and images to decode."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CLBENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def cifar100_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache for the tests that need a real data set, so that it is decoded once."""
    return tmp_path_factory.mktemp("cifar100")


class Pictures:
    """Images of noise that are the same for the same number."""

    @staticmethod
    def pixels(number: int, side: int = 8, channels: int = 3) -> np.ndarray:
        shape = (channels, side, side)
        return np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)

    def image(self, number: int, side: int = 8, channels: int = 3) -> Image.Image:
        return Image.fromarray(self.pixels(number, side, channels).transpose(1, 2, 0).squeeze())

    def png(self, number: int, side: int = 8, channels: int = 3) -> bytes:
        buffer = io.BytesIO()
        self.image(number, side, channels).save(buffer, "png")
        return buffer.getvalue()


@pytest.fixture
def pictures() -> Pictures:
    return Pictures()


@pytest.fixture
def image_folder(tmp_path: Path, pictures: Pictures) -> Path:
    """Classes `ant` and `bee`, two images each to train on and one each to test on."""
    root = tmp_path / "insects"
    for number, place in enumerate(
        ["train/ant/0", "train/ant/1", "train/bee/0", "train/bee/1", "test/ant/0", "test/bee/0"]
    ):
        file = root / f"{place}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(pictures.png(number))
    return root
