"""What a notebook shows of a prediction."""

import base64
import io
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from deepgaze2.density.center_bias import CenterBias
from deepgaze2.density.plot import overlay
from deepgaze2.density.prediction import Prediction
from deepgaze2.image.stimulus import Stimulus


class _Reader(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.images: list[dict[str, str | None]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.images.append(dict(attrs))
        else:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(("width", "height"), [(900, 600), (40, 30), (3, 2000)])
def test_picture_and_caption(width: int, height: int) -> None:
    y, x = np.mgrid[:height, :width]
    log_density = -(((x / width - 0.3) ** 2 + (y / height - 0.6) ** 2) * 20).astype(np.float32)
    log_density -= np.log(np.exp(log_density).sum())
    stimulus = Stimulus(
        np.full((height, width, 3), 99, np.uint8), width, height, "<a&b>.png", ("12 bits",)
    )
    prior = CenterBias("of my < lab", np.full((4, 4), -np.log(16), np.float32))
    prediction = Prediction(log_density, stimulus, prior, "my<script>model", (8, 8))
    read = _Reader(prediction._repr_html_())
    assert read.open == []
    [image] = read.images
    kind, _, data = str(image["src"]).partition(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        assert picture.size == (int(image["width"] or 0), int(image["height"] or 0))
        assert max(picture.size) == min(480, max(width, height))
        whole = Image.fromarray(overlay(prediction)).resize(picture.size)
        assert np.abs(np.asarray(picture).astype(float) - np.asarray(whole)).mean() < 6
    assert read.text == (
        f"<a&b>.png, {width} x {height} px; model my<script>model; center bias of my < lab; 12 bits"
    )
