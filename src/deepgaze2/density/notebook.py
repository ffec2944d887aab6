"""What a notebook shows of a prediction: a small picture that needs nothing beside it."""

import base64
import io
from html import escape

from PIL import Image

from deepgaze2.density.fixation_density import FixationDensity
from deepgaze2.density.plot import overlay
from deepgaze2.image.stimulus import printable

_LONGER_SIDE_PX = 480


def as_html(prediction: FixationDensity) -> str:
    """Return an HTML figure: the density in color over the image, and a line of text.

    The picture is in the text, as JPEG, 480 pixels on its longer side at most.
    """
    picture = Image.fromarray(overlay(prediction))
    picture.thumbnail((_LONGER_SIDE_PX, _LONGER_SIDE_PX))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=90)
    data = base64.b64encode(stream.getvalue()).decode()
    about = [
        f"{prediction.stimulus.name}, {prediction.width} x {prediction.height} px",
        f"model {printable(prediction.model)}",
        f"center bias {printable(prediction.center_bias.name)}",
        *prediction.all_notes,
    ]
    width, height = picture.size
    return (
        f'<figure><img width="{width}" height="{height}" alt="Density of fixations"'
        f' src="data:image/jpeg;base64,{data}"><figcaption>{escape("; ".join(about))}'
        "</figcaption></figure>"
    )
