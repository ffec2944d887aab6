"""Measures of a prediction: pure functions of arrays, their intervals, and the table of metrics.

Begin with `information.py` and `auc.py`; a new metric is an entry in `table.py`.
"""

from deepgaze2.metrics.auc import auc, auc_borji, auc_judd
from deepgaze2.metrics.emd import emd
from deepgaze2.metrics.empirical_map import empirical_map, empirical_map_mit
from deepgaze2.metrics.information import bits_over_uniform, information_gain
from deepgaze2.metrics.map_metrics import (
    cc,
    kl_divergence,
    kl_divergence_floored,
    nss,
    nss_mit,
    similarity,
    similarity_mit,
)
from deepgaze2.metrics.optimal_maps import (
    blurred_density,
    equalized,
    shuffled_auc_map,
    similarity_map,
)
from deepgaze2.metrics.shuffled_auc import NonFixations, shuffled_auc, shuffled_auc_mit
from deepgaze2.metrics.table import METRICS, Case, Metric

__all__ = [
    "METRICS",
    "Case",
    "Metric",
    "NonFixations",
    "auc",
    "auc_borji",
    "auc_judd",
    "bits_over_uniform",
    "blurred_density",
    "cc",
    "emd",
    "empirical_map",
    "empirical_map_mit",
    "equalized",
    "information_gain",
    "kl_divergence",
    "kl_divergence_floored",
    "nss",
    "nss_mit",
    "shuffled_auc",
    "shuffled_auc_map",
    "shuffled_auc_mit",
    "similarity",
    "similarity_map",
    "similarity_mit",
]
