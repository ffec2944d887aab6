"""One small evaluation for all figures."""

import pytest

from deepgaze2.evaluation.evaluation import Evaluation
from helpers.small_evaluation import small_evaluation


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return small_evaluation(tmp_path_factory.mktemp("images"))
