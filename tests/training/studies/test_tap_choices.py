"""Which layers are drawn: what is possible, each once, the same ones again."""

import pytest

from deepgaze2.features.network import Network
from deepgaze2.features.networks import NETWORKS
from deepgaze2.features.networks.vgg import VGG16, VGG19
from deepgaze2.training.recipes import paper_recipe
from deepgaze2.training.studies import tap_choices as module
from deepgaze2.training.studies.tap_choices import MOST_TAPS, SCALES, Choice, draw_choices, layers
from helpers.small_models import conv_names


@pytest.mark.parametrize("vgg", [VGG16, VGG19], ids=lambda vgg: vgg.name)
def test_after_the_papers_all_kinds_of_choices_are_drawn_and_each_once(vgg: Network) -> None:
    known = layers(vgg)
    assert set(vgg.taps) < set(known)
    assert {name[4] for name in known} == {"4", "5"}
    assert len(known) == 2 * sum(name[4] in "45" for name in conv_names(vgg))
    choices = draw_choices(vgg, 400, seed=3)
    assert choices[0] == Choice(vgg.taps, (1.0,))
    assert len(set(choices)) == 400
    for choice in choices:
        assert 1 <= len(choice.taps) <= MOST_TAPS
        assert list(choice.taps) == sorted(set(choice.taps), key=known.index)
    assert {len(choice.taps) for choice in choices} == set(range(1, MOST_TAPS + 1))
    assert {choice.scales for choice in choices} == set(SCALES)
    assert {tap for choice in choices for tap in choice.taps} == set(known)


def test_more_choices_begin_with_the_same_and_seeds_draw_others() -> None:
    many = draw_choices(VGG16, 50)
    for n in (1, 2, 20):
        assert draw_choices(VGG16, n) == many[:n]
    others = draw_choices(VGG16, 50, seed=1)
    assert len({*many, *others}) > 90


def test_what_was_tried_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until all of a small space has been: the paper's and six single layers."""
    monkeypatch.setattr(module, "_LEAST_STRIDE_PX", 16)
    monkeypatch.setattr(module, "MOST_TAPS", 1)
    monkeypatch.setattr(module, "SCALES", ((1.0,),))
    _, *drawn = draw_choices(VGG16, 7)
    assert {choice.taps for choice in drawn} == {(tap,) for tap in layers(VGG16)}


def test_groups_are_one_for_each_scale_and_block() -> None:
    choice = Choice(("relu4_2", "conv5_1", "relu5_1"), (1.0, 0.5))
    four, five = ("relu4_2",), ("conv5_1", "relu5_1")
    assert [(one.names, one.scale) for one in choice.groups(VGG16)] == [
        *((four, 1.0), (five, 1.0)),
        *((four, 0.5), (five, 0.5)),
    ]
    assert Choice(VGG16.taps).groups(VGG16) == paper_recipe(VGG16).architecture.groups


def test_of_a_resnet_inner_convolutions_and_blocks_are_drawn() -> None:
    """Of stages 3 to 5: 4 + 6 + 3 blocks, each read in three places."""
    known = layers(NETWORKS["resnet50"])
    assert len(known) == 3 * 13
    assert {"conv3_1_2", "relu4_6_2", "block5_3"} <= set(known)
    assert not {"conv2_1_2", "conv4_1_1", "conv4_1_3", "sum4_1", "shortcut4_1"} & set(known)
