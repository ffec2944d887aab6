from deepgaze2.image.examples import example_paths
from deepgaze2.image.stimulus import read_stimulus


def test_the_example_photos_are_readable_and_small() -> None:
    paths = example_paths()
    assert len(paths) >= 5
    stimuli = [read_stimulus(path) for path in paths]
    assert all(300 < max(s.width, s.height) <= 1024 for s in stimuli)
    assert all(s.pixels.std() > 20 for s in stimuli)
    assert sum(path.stat().st_size for path in paths) < 1_000_000
