"""The recipes: the paper's numbers, layers that exist, and a model's own configuration."""

from dataclasses import replace

import pytest

from deepgaze2.features.backbone import find_stored_backbone
from deepgaze2.features.network import Network
from deepgaze2.features.networks.vgg import VGG16, VGG19
from deepgaze2.training.recipes import CONTINUED, RECIPES, continued_recipe, paper_recipe
from helpers.small_models import ARCHITECTURES, card_of, random_backbone, random_readout


@pytest.mark.parametrize("vgg", [VGG16, VGG19], ids=lambda vgg: vgg.name)
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipes_layers_are_the_networks(name: str, vgg: Network) -> None:
    backbone = replace(find_stored_backbone("vgg16"), network=vgg)
    architecture = RECIPES[name](backbone).architecture
    assert backbone.with_taps(architecture.taps).taps == architecture.taps
    for group in architecture.groups:
        assert len({name[4] for name in group.names}) == 1, "a group has one grid"
    assert architecture.groups[0].scale == 1
    assert architecture.widths[-1] == 1


def test_the_papers_readout_is_section_2_1s() -> None:
    recipe = paper_recipe(VGG19)
    architecture = recipe.architecture
    (group,) = architecture.groups
    assert group.names == ("conv5_1", "relu5_1", "relu5_2", "conv5_3", "relu5_4")
    assert group.channels == 2560
    assert (architecture.widths, architecture.grid_block) == ((16, 32, 2, 1), 2)
    assert (architecture.activation, architecture.layer_norm) == ("relu", False)
    assert recipe.learn_sigma
    assert not recipe.learn_prior_weight


@pytest.mark.parametrize(("n_images", "rate"), [(20, 1e-4), (199, 1e-4), (200, 1e-3)])
def test_a_model_is_continued_as_it_is(n_images: int, rate: float) -> None:
    readout = random_readout(2, ARCHITECTURES["two scales"])
    card = replace(card_of(readout, random_backbone()), longer_side_px=80)
    recipe = continued_recipe(card, card.branches[0], n_images)
    assert (recipe.architecture, recipe.longer_side_px) == (readout.architecture, 80)
    assert recipe.finetuning == replace(CONTINUED, learning_rate=rate)
