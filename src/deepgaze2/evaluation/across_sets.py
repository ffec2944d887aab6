"""Models on several data sets: a table of models and sets for each quantity, with means."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from deepgaze2.evaluation.report import Estimate, ModelReport, Report
from deepgaze2.metrics.table import METRICS, Metric

Cell = Estimate | int | None


@dataclass(frozen=True)
class SetReport:
    """What was found on one data set.

    Attributes
    ----------
    source : str
        The data set as it was named.
    report : Report
        Its models' scores.
    folder : str
        Where its own pages and files are, below those of all sets; empty if they were not
        written.
    """

    source: str
    report: Report
    folder: str = ""


@dataclass(frozen=True)
class Failure:
    """A data set that could not be evaluated, and why."""

    source: str
    error: str


@dataclass(frozen=True)
class Quantity:
    """What a table shows of each model on each data set.

    Attributes
    ----------
    name : str
        In files.
    title, unit, definition : str
        For people.
    of : function
        Takes a model's scores; None where they lack it.
    scale, digits : int
        What values are multiplied by, and their digits after the point.
    lower_is_better : bool
        The direction.
    """

    name: str
    title: str
    unit: str
    definition: str
    of: Callable[[ModelReport], Cell]
    scale: int = 1
    digits: int = 3
    lower_is_better: bool = False


def _of_metric(metric: Metric) -> Quantity:
    return Quantity(
        metric.name,
        metric.title,
        metric.unit,
        metric.definition,
        lambda model: model.metrics.get(metric.name),
        lower_is_better=metric.lower_is_better,
    )


QUANTITIES = (
    Quantity(
        "information_gain",
        "Information gain",
        "bit/fixation over the center bias",
        "log2 of the model's density at the fixation's pixel, less log2 of the center bias'"
        " density there; mean over a data set's fixations.",
        lambda model: model.information_gain,
    ),
    Quantity(
        "explained",
        "Information gain explained",
        "% of the gold standard's",
        "The model's mean information gain divided by that of the gold standard, which predicts"
        " each subject from the others on the same image.",
        lambda model: model.explained,
        scale=100,
        digits=1,
    ),
    Quantity(
        "negative_images",
        "Images below the center bias",
        "of the images with fixations",
        "Images on which the mean log density at the fixations is lower than that of the center"
        " bias, which is estimated from all other images.",
        lambda model: model.negative_images,
        digits=1,
        lower_is_better=True,
    ),
    *(_of_metric(one) for one in METRICS if one.per_fixation),
)


@dataclass(frozen=True)
class Row:
    """A model's values on each data set, and their mean over the sets that have one."""

    model: str
    cells: tuple[Cell, ...]
    mean: float | None


@dataclass(frozen=True)
class Across:
    """Models on several data sets.

    Attributes
    ----------
    sets : tuple of SetReport
        Those that were evaluated, at least one, each with the same models.
    failed : tuple of Failure
        Those that could not be.
    """

    sets: tuple[SetReport, ...]
    failed: tuple[Failure, ...] = ()

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """What each set is called: its name, with a number where sets have the same."""
        names = [one.report.data_set for one in self.sets]
        return tuple(
            f"{name} ({names[: i + 1].count(name)})" if names.count(name) > 1 else name
            for i, name in enumerate(names)
        )

    def rows(self, quantity: Quantity) -> list[Row]:
        """Return the rows of a quantity's table, models in the order in which they were given."""
        columns = [[quantity.of(model) for model in one.report.models] for one in self.sets]
        models = [model.name for model in self.sets[0].report.models]
        return [
            Row(model, cells, mean_of(cells))
            for model, cells in zip(models, zip(*columns, strict=True), strict=True)
        ]


def value_of(cell: Cell) -> float | None:
    """Return a cell's value without its interval."""
    return cell.value if isinstance(cell, Estimate) else cell


def mean_of(cells: tuple[Cell, ...]) -> float | None:
    """Return the mean of the values that there are, each set counting alike; None without any."""
    values = [value for cell in cells if (value := value_of(cell)) is not None]
    return sum(values) / len(values) if values else None
