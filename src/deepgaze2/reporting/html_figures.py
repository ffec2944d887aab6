"""The captions of the report's figures, and what they show in words."""

from typing import TYPE_CHECKING

from deepgaze2.evaluation.report import Report
from deepgaze2.reporting.html_parts import Html, element, joined, number, picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SINGLE_IMAGES = (
    "Above: the image, and densities in bits over the uniform one, with the same colors in all"
    " figures; contours cut each density's mass in four, so that each part is expected to receive"
    " as many fixations. Below: the real fixations, and as many sampled from each density. Numbers"
    " are information gains over the center bias on this image, in brackets the share of the gold"
    " standard's. The gold standard is drawn from all subjects' fixations, but its number is"
    " leave-one-subject-out."
)
"""What figures 5, 6, 8 and 9 show."""

_CAPTIONS = {
    "figure3": "Information gain explained (information gain where there is no gold standard),"
    " with 95% intervals over images.",
    "figure4": "Information gain of single images. Each point is an image. On the diagonal a"
    " model is as good as the gold standard; crosses mark images on which it is worse than the"
    " center bias.",
    "by_order": "Mean information gain over the fixations of each place in the scanpath. Late"
    " places hold few fixations; the table gives their numbers.",
    "by_subject": "Mean information gain over each subject's fixations.",
    "gold_curve": "The gold standard's information gain by the number of other subjects that"
    " predict, and the limit of the curve fitted to it, with 95% intervals over images. The"
    " interval tells nothing of whether the curve has that form beyond what was measured.",
}
_OF_THE_PAPER = ("figure3", "figure4", "figure5", "figure6", "figure8", "figure9")


def described(name: str, figure: "Figure", report: Report) -> Html:
    """Return a figure with its title, its caption and, for those who do not see it, in words."""
    kind = next((start for start in (*_CAPTIONS, *_OF_THE_PAPER) if name.startswith(start)), "")
    title = " ".join(figure.get_suptitle().split()).replace(r"\$", "$") or name
    parts = [_CAPTIONS.get(kind) or element("strong", f"{title}.")]
    if kind in _OF_THE_PAPER:
        parts.append(f"As figure {kind[-1]} of K\u00fcmmerer, Wallis and Bethge (2016).")
    return picture(figure, joined(parts, " "), _in_words(kind, title, report))


def _in_words(kind: str, title: str, report: Report) -> str:
    names = ", ".join(model.name for model in report.models)
    if kind == "figure3":
        values = (
            f"{model.name} {number(100 * model.explained.value, 1)}%"
            if model.explained
            else f"{model.name} {number(model.information_gain.value)} bit"
            for model in report.models
        )
        return f"Bars: {', '.join(values)}."
    if kind == "figure4":
        values = (f"{model.name} {model.negative_images}" for model in report.models)
        return f"Scatter plots; images worse than the center bias: {', '.join(values)}."
    if kind in ("by_order", "by_subject", "gold_curve"):
        return f"Plot of the numbers in the table that follows; {names}."
    return f"{title}: each image with its fixations, and the densities of {names}."
