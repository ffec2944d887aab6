"""Comparing variants: directions on real photos, exact zeros, divergences."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.spatial.distance import jensenshannon

import deepgaze2
from deepgaze2.comparison.comparison import NamedImage, compare, jensen_shannon_bits
from deepgaze2.comparison.expression import parse_requirement
from deepgaze2.comparison.requirement import check
from deepgaze2.density.region_files import RegionSource, all_regions
from deepgaze2.errors import RegionError, RequirementError
from deepgaze2.image.examples import example_paths
from deepgaze2.image.stimulus import read_stimulus
from deepgaze2.model import Model
from helpers.small_models import tiny_model, tiny_model_of_two, with_readouts


def named(name: str, image: Image.Image) -> NamedImage:
    return NamedImage(name, f"{name}.png", read_stimulus(image))


def photo(name: str) -> Image.Image:
    (path,) = (path for path in example_paths() if path.stem == name)
    return Image.open(path).convert("RGB")


def noise(seed: int, size: tuple[int, int] = (90, 60)) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def regions(*typed: str) -> list[RegionSource]:
    return all_regions(typed, [])


@pytest.fixture(scope="module")
def packaged() -> Model:
    return deepgaze2.load("deepgaze2-fast")


def test_text_that_is_added_is_looked_at(packaged: Model) -> None:
    before = photo("rocket")
    after = before.copy()
    width, height = before.size
    box = (0.05 * width, 0.1 * height, 0.35 * width, 0.2 * height)
    font = ImageFont.load_default(0.08 * height)
    ImageDraw.Draw(after).text((0.06 * width, 0.1 * height), "LAUNCH", "white", font)
    found = compare(
        packaged,
        [named("before", before), named("after", after)],
        regions(f"text:{box[0]},{box[1]},{box[2] - box[0]},{box[3] - box[1]}"),
    )
    change = found.variants[1].regions[0].change
    assert change is not None
    assert 0 < change.low < change.value < change.high
    assert found.variants[1].regions[0].agreeing == len(found.readout_shares)
    assert [variant.name for variant in found.ranked("text")] == ["after", "before"]
    assert check(found, parse_requirement("text > 1.2 * text.before")).met


def test_what_is_brightened_is_looked_at_more(packaged: Model) -> None:
    before = photo("coffee").point(lambda level: level // 3)
    after = before.copy()
    width, height = before.size
    box = (int(0.7 * width), int(0.1 * height), int(0.9 * width), int(0.4 * height))
    after.paste(photo("coffee").crop(box).point(lambda level: min(255, 2 * level)), box[:2])
    typed = "lit:70%,10%,20%,30%", "rest:0%,50%,100%,50%"
    found = compare(packaged, [named("a", before), named("b", after)], regions(*typed))
    lit, rest = found.variants[1].regions
    assert lit.change is not None
    assert rest.change is not None
    assert lit.change.value > 0 > rest.change.value


def test_shares_are_the_predictions_own_and_members_average_to_them() -> None:
    model = tiny_model_of_two()
    found = compare(model, [named("a", noise(0)), named("b", noise(1))], regions("r:10,5.5,30,20"))
    for variant, image in zip(found.variants, (noise(0), noise(1)), strict=True):
        (one,) = variant.regions
        prediction = model.predict(image)
        assert one.share.value == prediction.mass(10, 5.5, 30, 20)
        assert one.numbers.ratio == one.share.value / one.numbers.center_bias_share
        assert one.members @ model.shares == pytest.approx(one.share.value, rel=1e-3)
    a, b = (variant.regions[0] for variant in found.variants)
    assert a.change is None
    assert b.change is not None
    assert b.change.value == b.share.value - a.share.value
    difference = b.members - a.members
    assert (b.change.low, b.change.high) == (difference.min(), difference.max())
    assert b.agreeing == (np.sign(difference) == np.sign(b.change.value)).sum()


def test_identical_variants_differ_by_exactly_zero() -> None:
    found = compare(
        tiny_model(), [named("a", noise(0)), named("b", noise(0))], regions("r:10,5,30,20")
    )
    change = found.variants[1].regions[0].change
    assert change is not None
    assert (change.value, change.low, change.high) == (0, 0, 0)
    assert found.divergences == {("a", "b"): 0}
    assert check(found, parse_requirement("r - r.a >= 0")).met
    assert not check(found, parse_requirement("r > r.a")).met


def test_variants_of_several_sizes_need_regions_in_percent() -> None:
    images = [named("a", noise(0)), named("b", noise(0, (120, 60))), named("c", noise(1))]
    with pytest.raises(RegionError, match=r"b\.png: has 120 by 60 pixels and a\.png 90 by 60.* %"):
        compare(tiny_model(), images, regions("r:1,1,5,5"))
    found = compare(tiny_model(), images, regions("r:10%,10%,50%,50%"))
    assert [variant.regions[0].region.width for variant in found.variants] == [45, 60, 45]
    assert set(found.divergences) == {("a", "c")}


def test_regions_outside_name_the_image() -> None:
    with pytest.raises(RegionError, match=r"a\.png: region r:80,1,15,5 is not inside"):
        compare(tiny_model(), [named("a", noise(0))], regions("r:80,1,15,5"))


def random_density(seed: int) -> NDArray[np.float32]:
    density = np.random.default_rng(seed).random((600, 30)) ** 4
    log_density: NDArray[np.float32] = np.log(density / density.sum()).astype(np.float32)
    return log_density


def test_divergence_is_scipys() -> None:
    first, second = random_density(0), random_density(1)
    expected = jensenshannon(np.exp(first).ravel(), np.exp(second).ravel(), base=2) ** 2
    assert jensen_shannon_bits(first, second) == pytest.approx(expected, rel=1e-5)
    assert jensen_shannon_bits(second, first) == pytest.approx(expected, rel=1e-5)
    assert jensen_shannon_bits(first, first) == 0


def test_densities_that_do_not_overlap_differ_by_one_bit() -> None:
    left = np.array([[np.log(0.5), np.log(0.5), -np.inf, -np.inf]], np.float32)
    assert jensen_shannon_bits(left, left[:, ::-1]) == pytest.approx(1)


def test_a_requirement_says_its_values_with_intervals() -> None:
    found = compare(
        tiny_model(), [named("a", noise(0)), named("b", noise(1))], regions("r:10,5,30,20")
    )
    (a, b) = (variant.regions[0] for variant in found.variants)
    outcome = check(found, parse_requirement(" r >= 99% "))
    assert not outcome.met
    low, high = 100 * b.members.min(), 100 * b.members.max()
    share = 100 * b.share.value
    assert outcome.line == f"r >= 99%: r is {share:.1f}% ({low:.1f} to {high:.1f})"
    quotients = b.members / a.members
    outcome = check(found, parse_requirement("0.5 < r / r.a * 2 * r.b / r"))
    (side,) = outcome.sides
    assert side.value.low == pytest.approx((2 * quotients).min())
    assert "% (" not in outcome.line


def test_enough_digits_are_shown_to_see_why() -> None:
    found = compare(tiny_model(), [named("a", noise(0))], regions("r:10,5,30,20"))
    share = found.variants[0].regions[0].share.value
    outcome = check(found, parse_requirement(f"r >= {100 * share + 0.004:.6f}%"))
    assert not outcome.met
    assert f"r is {100 * share:.3f}%" in outcome.line or f"r is {100 * share:.2f}%" in outcome.line


def test_one_readout_has_no_interval() -> None:
    model = tiny_model()
    one = with_readouts(model, model.branches[0].readout.members([0]))
    found = compare(one, [named("a", noise(0))], regions("r:10,5,30,20"))
    assert "(" not in check(found, parse_requirement("r >= 1%")).line


def test_division_by_zero_is_refused() -> None:
    found = compare(tiny_model(), [named("a", noise(0))], regions("r:10,5,30,20"))
    for text in ("r / 0 > 1", "r / (r - r) > 1", "(r - r) / (r - r) > 1"):
        with pytest.raises(RequirementError, match="divided by zero"):
            check(found, parse_requirement(text))
