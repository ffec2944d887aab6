import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from deepgaze2.density.center_bias import CenterBias
from deepgaze2.density.prediction import Prediction
from deepgaze2.density.regions import Region, parse_region, rectangle_mass, region_shares
from deepgaze2.errors import RegionError
from deepgaze2.image.stimulus import Stimulus

H, W = 6, 9


def _log_density() -> NDArray[np.float32]:
    density = np.random.default_rng(0).random((H, W)) ** 3
    log_density: NDArray[np.float32] = np.log(density / density.sum()).astype(np.float32)
    return log_density


def _prediction(center_bias: CenterBias) -> Prediction:
    stimulus = Stimulus(np.zeros((H, W, 3), np.uint8), W, H, "photo.jpg")
    return Prediction(_log_density(), stimulus, center_bias, "test", (W, H))


@given(
    x=st.floats(0, W - 0.01),
    y=st.floats(0, H - 0.01),
    right=st.floats(0.001, 1),
    bottom=st.floats(0.001, 1),
)
def test_fractional_edges_weigh_pixels_by_covered_area(
    x: float, y: float, right: float, bottom: float
) -> None:
    region = Region("r", x, y, (W - x) * right, (H - y) * bottom)
    log_density = _log_density()
    expected = 0.0
    for i in range(H):
        for j in range(W):
            across = min(j + 1, region.x + region.width) - max(j, region.x)
            down = min(i + 1, region.y + region.height) - max(i, region.y)
            expected += max(across, 0) * max(down, 0) * np.exp(float(log_density[i, j]))
    assert rectangle_mass(log_density, region) == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_parse_region_reads_pixels_and_percentages() -> None:
    assert parse_region("call to action:10,20.5, 300,80") == Region(
        "call to action", 10, 20.5, 300, 80
    )
    logo = parse_region("logo:75%,0%,25%,10%")
    assert logo.in_pixels(800, 600) == Region("logo", 600, 0, 200, 60)


def test_percentages_that_round_beyond_the_edge_are_inside() -> None:
    for width in range(1, 400):
        region = parse_region("r:30%,0%,70%,100%").in_pixels(width, 7)
        log_density = np.full((7, width), -np.log(7 * width), np.float32)
        assert rectangle_mass(log_density, region) == pytest.approx(0.7, rel=1e-5)


@pytest.mark.parametrize(
    "text",
    ["", "logo", "1,2,3,4", ":1,2,3,4", "a:1,2,3", "a:1,2,3,x", "a:10%,2,3,4", "a:1,2,3,nan"],
)
def test_parse_region_refuses_other_forms_in_one_line(text: str) -> None:
    with pytest.raises(RegionError, match="name:x,y,width,height") as error:
        parse_region(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (Region("r", -1, 0, 2, 2), "not inside the image of 9 by 6"),
        (Region("r", 0, 5, 2, 2), "not inside"),
        (Region("r", 50, 0, 60, 10, percent=True), "not inside"),
        (Region("r", 0, 0, 0, 2), "no area"),
        (Region("r", 0, 0, 2, -2), "no area"),
        (Region("r", float("nan"), 0, 2, 2), "not inside"),
    ],
)
def test_regions_outside_the_image_or_without_area_are_refused(
    region: Region, message: str
) -> None:
    with pytest.raises(RegionError, match=message):
        region.in_pixels(W, H)


def test_region_shares_compare_with_the_center_bias() -> None:
    uniform = CenterBias("uniform", np.zeros((1, 1), np.float32))
    whole, left = region_shares(
        _prediction(uniform), [Region("whole", 0, 0, W, H), Region("left", 0, 0, W / 2, H)]
    )
    assert (whole.share, whole.center_bias_share) == pytest.approx((1, 1), abs=1e-5)
    assert left.center_bias_share == pytest.approx(0.5, abs=1e-5)
    assert left.ratio == pytest.approx(left.share / 0.5, rel=1e-5)
    assert left.name == "left"


def test_region_without_center_bias_has_no_ratio() -> None:
    template = np.full((1, 3), -np.inf, np.float32)
    template[0, 0] = 0
    (share,) = region_shares(
        _prediction(CenterBias("left", template)), [Region("right", W - 1, 0, 1, H)]
    )
    assert share.center_bias_share == 0
    assert np.isnan(share.ratio)
    assert share.as_json() == {
        **{"name": "right", "share": share.share},
        **{"center_bias_share": 0.0, "ratio": None},
    }
