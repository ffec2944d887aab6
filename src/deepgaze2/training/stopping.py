"""When to stop: the rule of section 2.2."""

from collections.abc import Sequence

FIRST_EPOCH = 20
LAST_EPOCH = 800
_COMPARED = 3
_LAG = 5


def should_stop(scores: Sequence[float], last_epoch: int = LAST_EPOCH) -> bool:
    """Tell whether training ends after the last of these epochs.

    From the 20th epoch on, the scores of the last three epochs are compared with those five
    epochs before each of them; training ends when all three are worse, or after 800 epochs.

    Parameters
    ----------
    scores
        One for each epoch so far, larger being better. The first is the first epoch's.
    last_epoch
        The epoch after which training ends in any case.
    """
    epoch = len(scores)
    if epoch >= last_epoch:
        return True
    if epoch < FIRST_EPOCH:
        return False
    return all(scores[-k] < scores[-k - _LAG] for k in range(1, _COMPARED + 1))


def best_epoch(scores: Sequence[float]) -> int:
    """Return the number, from zero, of the first epoch with the largest score."""
    return max(range(len(scores)), key=scores.__getitem__)
