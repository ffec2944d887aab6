"""What each readout of a mixture says alone."""

import numpy as np
import pytest
from PIL import Image

from deepgaze2.density.members import member_shares
from deepgaze2.density.regions import Region
from helpers.small_models import tiny_model, tiny_model_of_two, with_readouts


def image(width: int, height: int) -> Image.Image:
    coarse = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def test_the_members_mean_by_their_shares_is_nearly_the_mixture() -> None:
    model = tiny_model_of_two()
    prediction, members = model.predict_with_members(image(90, 60))
    np.testing.assert_array_equal(prediction.log_density, model.predict(image(90, 60)).log_density)
    assert members.shape == (6, 60, 90)
    mean = np.tensordot(model.shares, np.exp(members, dtype=np.float64), 1)
    np.testing.assert_allclose(mean, prediction.density, rtol=0.01)  # mixed on a coarser grid
    alike = np.exp(members, dtype=np.float64).mean(axis=0)
    assert np.abs(alike / prediction.density - 1).max() > 0.05
    assert np.abs(members - members.mean(axis=0)).max() > 0.1


def test_members_of_a_large_image_are_those_of_models_of_one_readout() -> None:
    model = tiny_model()
    photo = image(1100, 700)
    prediction, members = model.predict_with_members(photo)
    assert members.shape == (3, 326, 512)
    region = Region("r", 101.5, 33, 420, 333.3)
    (found,) = member_shares(members, [region], (prediction.width, prediction.height))
    for k, share in enumerate(found):
        one = with_readouts(model, model.branches[0].readout.members([k])).predict(photo)
        expected = one.mass(region.x, region.y, region.width, region.height)
        assert share == pytest.approx(expected, rel=2e-3)


def test_member_shares_count_pixels_by_covered_area() -> None:
    rng = np.random.default_rng(1)
    densities = rng.random((4, 5, 6))
    densities /= densities.sum(axis=(1, 2), keepdims=True)
    region = Region("r", 2, 3, 7, 4.5)  # in an image twice as large
    across, down = [0, 1, 1, 1, 0.5, 0], [0, 0.5, 1, 0.75, 0]
    expected = np.einsum("kyx,y,x->k", densities, down, across)
    found = member_shares(np.log(densities).astype(np.float32), [region], (12, 10))
    np.testing.assert_allclose(found, expected[None], rtol=1e-5)
    assert member_shares(np.log(densities).astype(np.float32), [], (12, 10)).shape == (0, 4)
