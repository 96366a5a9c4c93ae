"""Corruptions with the constants and the arithmetic that CIFAR-10-C was made with."""

import colorsys

import numpy as np
import pytest

from clbench.errors import ClbenchError
from clbench.source.corruptions import AT_A_TIME, CORRUPTIONS, corruption

# As published for images of 32 x 32 pixels (Hendrycks and Dietterich 2019), severity 1 to 5.
PUBLISHED = {
    "noise": [0.04, 0.06, 0.08, 0.09, 0.10],
    "blur": [0.4, 0.6, 0.7, 0.8, 1.0],
    "contrast": [0.75, 0.5, 0.4, 0.3, 0.15],
    "brightness": [0.05, 0.1, 0.15, 0.2, 0.3],
    "shot": [500, 250, 100, 75, 50],
    "impulse": [0.01, 0.02, 0.03, 0.05, 0.07],
    "speckle": [0.06, 0.1, 0.12, 0.16, 0.2],
}
COLOURS = np.random.default_rng(0).integers(0, 256, (8, 3, 12, 12)).astype(np.uint8)
GREY = np.full((60, 3, 32, 32), 128, dtype=np.uint8)


def made(kind: str, severity: int, x: np.ndarray, seed: int = 0) -> np.ndarray:
    found: np.ndarray = corruption(kind, severity)(x, np.random.default_rng(seed))
    return found


def of(kind: str) -> list[tuple[int, float]]:
    return list(enumerate(PUBLISHED[kind], start=1))


def test_copies_are_numbered_in_this_order() -> None:
    assert tuple(PUBLISHED) == CORRUPTIONS


@pytest.mark.parametrize("kind", PUBLISHED)
def test_bytes_come_out_whatever_goes_in(kind: str) -> None:
    ends = np.zeros((2, 3, 8, 8), dtype=np.uint8)
    ends[1] = 255
    found = made(kind, 5, ends)
    assert found.dtype == np.uint8
    assert found.shape == ends.shape


@pytest.mark.parametrize("kind", ["noise", "shot", "impulse", "speckle"])
def test_images_in_groups_draw_as_all_at_once(kind: str) -> None:
    many = np.full((2 * AT_A_TIME + 3, 1, 2, 2), 90, dtype=np.uint8)
    assert len({image.tobytes() for image in made(kind, 5, many)}) > 3
    generator, parts = np.random.default_rng(0), (many[:AT_A_TIME], many[AT_A_TIME:])
    apart = [corruption(kind, 5)(part, generator) for part in parts]
    np.testing.assert_array_equal(np.concatenate(apart), made(kind, 5, many))


class TestNoise:
    @pytest.mark.parametrize(("severity", "deviation"), of("noise"))
    def test_gaussian(self, severity: int, deviation: float) -> None:
        found = made("noise", severity, GREY).astype(float)
        assert found.std() / 255 == pytest.approx(deviation, rel=0.01)
        assert found.mean() == pytest.approx(128 - 0.5, abs=0.2)  # fractions are left out

    @pytest.mark.parametrize(("severity", "photons"), of("shot"))
    def test_shot(self, severity: int, photons: float) -> None:
        found = made("shot", severity, GREY).astype(float)
        value = 128 / 255
        assert found.std() / 255 == pytest.approx((value / photons) ** 0.5, rel=0.02)
        counts = np.unique(found) / 255 * photons  # whole numbers, up to the fraction left out
        assert ((np.ceil(counts) - counts) < 1.01 * photons / 255).all()

    @pytest.mark.parametrize(("severity", "deviation"), of("speckle"))
    def test_speckle_grows_with_the_value(self, severity: int, deviation: float) -> None:
        for level in (64, 128):
            found = made("speckle", severity, np.full_like(GREY, level)).astype(float)
            assert found.std() / level == pytest.approx(deviation, rel=0.015)
        assert (made("speckle", severity, np.zeros_like(GREY)) == 0).all()

    @pytest.mark.parametrize(("severity", "share"), of("impulse"))
    def test_impulse_is_black_or_white_alike(self, severity: int, share: float) -> None:
        found = made("impulse", severity, GREY)
        black, white = (found == 0).mean(), (found == 255).mean()
        assert black == pytest.approx(share / 2, rel=0.06)
        assert white == pytest.approx(share / 2, rel=0.06)
        assert set(np.unique(found)) <= {0, int(128 / 255 * 255), 255}


class TestBrightness:
    @pytest.mark.parametrize(("severity", "added"), of("brightness"))
    def test_it_is_that_of_hsv(self, severity: int, added: float) -> None:
        pixels = COLOURS.transpose(0, 2, 3, 1).reshape(-1, 3)
        expected = []
        for pixel in pixels / 255.0:
            hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
            expected.append(colorsys.hsv_to_rgb(hue, saturation, min(1.0, value + added)))
        found = made("brightness", severity, COLOURS).transpose(0, 2, 3, 1).reshape(-1, 3)
        gap = np.abs(found - np.floor(255 * np.array(expected)))
        assert gap.max() <= 1  # where rounding in the last bit crosses a whole number
        assert (gap > 0).mean() < 0.02

    @pytest.mark.parametrize(
        ("severity", "level"), [(1, 140), (2, 153), (3, 166), (4, 179), (5, 204)]
    )
    def test_grey_is_moved_up(self, severity: int, level: int) -> None:
        """128 + 255 c, cut off at the point: 12.75, 25.5, 38.25, 51 and 76.5 more."""
        for image in (GREY, GREY[:, :1]):
            assert (made("brightness", severity, image) == level).all()

    def test_black_turns_grey_and_white_stays(self) -> None:
        ends = np.array([0, 255], dtype=np.uint8).reshape(2, 1, 1, 1).repeat(3, 1)
        assert made("brightness", 2, ends)[:, :, 0, 0].tolist() == [[25] * 3, [255] * 3]

    def test_a_pure_colour_stays_pure(self) -> None:
        red = np.array([100, 0, 0], dtype=np.uint8).reshape(1, 3, 1, 1)
        assert made("brightness", 1, red).ravel().tolist() == [112, 0, 0]


class TestContrast:
    @pytest.mark.parametrize(("severity", "factor"), of("contrast"))
    def test_the_mean_of_a_channel_stays_and_distances_shrink(
        self, severity: int, factor: float
    ) -> None:
        image = np.tile(np.array([100, 150], dtype=np.uint8), (1, 1, 4, 4))
        found = np.unique(made("contrast", severity, image))
        expected = [125 - 25 * factor, 125 + 25 * factor]
        np.testing.assert_allclose(found, np.floor(expected), atol=1)
        assert ((expected - found >= 0) & (expected - found <= 1.001)).all()

    def test_channels_have_means_of_their_own(self) -> None:
        image = np.stack([np.full((4, 4), 10), np.full((4, 4), 200)])[None].astype(np.uint8)
        found = made("contrast", 5, image)
        assert np.abs(found.astype(int) - image).max() <= 1


class TestBlur:
    @pytest.mark.parametrize(("severity", "deviation"), of("blur"))
    def test_it_is_a_product_of_gaussians_cut_off_after_four(
        self, severity: int, deviation: float
    ) -> None:
        reach = int(4 * deviation + 0.5)
        weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
        weights /= weights.sum()
        plane = np.pad(COLOURS[0, 0] / 255.0, reach, mode="edge")  # borders go on as they end
        plane = np.apply_along_axis(np.convolve, 0, plane, weights, "valid")
        plane = np.apply_along_axis(np.convolve, 1, plane, weights, "valid")
        found = made("blur", severity, COLOURS)[0, 0]
        gap = np.abs(found - np.floor(255 * plane))
        assert gap.max() <= 1
        assert (gap > 0).mean() < 0.02

    def test_images_and_channels_stay_apart(self) -> None:
        image = np.zeros((2, 2, 9, 9), dtype=np.uint8)
        image[0, 0, 4, 4] = 255
        found = made("blur", 5, image)
        assert 0 < found[0, 0, 4, 4] < 255
        assert found[0, 1].sum() == found[1].sum() == 0


@pytest.mark.parametrize("severity", [0, 6])
def test_a_severity_is_from_one_to_five(severity: int) -> None:
    with pytest.raises(ClbenchError, match=f"severity must be 1 to 5; got {severity}"):
        corruption("noise", severity)
