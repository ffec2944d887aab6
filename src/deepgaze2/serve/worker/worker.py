"""The process that decodes and computes: images come through its stdin, results leave by stdout.

    python -m deepgaze2.serve.worker.worker    # started by the server alone

The first message names the models. Two images are under way at a time: while one is predicted, on
all cores, the other is decoded or its result encoded. The process ends with its stdin.
"""

import json
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

from deepgaze2.density.cells import layers
from deepgaze2.density.files import encoded, summary
from deepgaze2.density.prediction import Prediction
from deepgaze2.density.regions import Region, parse_region, region_shares
from deepgaze2.density.scrolling import parse_scroll
from deepgaze2.errors import (
    DeepGazeError,
    ImageFormatError,
    ImageSizeError,
    ShapeWarning,
    StimulusError,
)
from deepgaze2.image.stimulus import Stimulus, read_stimulus
from deepgaze2.image.viewport import parse_viewport
from deepgaze2.loading import load
from deepgaze2.model import Model
from deepgaze2.serve.http.problems import ProblemError
from deepgaze2.serve.queue.jobs import FORMATS, Options
from deepgaze2.serve.queue.limits import UNDER_WAY
from deepgaze2.serve.worker import frames


def main() -> None:
    """Answer images until stdin ends."""
    # Ctrl-C and service managers signal the whole group; the server decides when we stop.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    warnings.simplefilter("ignore", ShapeWarning)  # it is among the answer's notes
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a library prints
    _Worker(sys.stdin.buffer, out).run()


class _Worker:
    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source = source
        self._sink = sink
        self._writing, self._predicting = threading.Lock(), threading.Lock()
        self._models: dict[str, Model] = {}
        self._max_pixels = 0

    def run(self) -> None:
        frame = frames.read(self._source)
        if frame is None:
            return
        settings, _ = frame
        self._max_pixels = settings["max_pixels"]
        try:
            for source in settings["models"]:
                model = load(source, device=settings["device"])
                self._models[model.card.name] = model
        except DeepGazeError as error:
            self._send({"failure": str(error)})
            return
        except MemoryError:
            raise  # there may be enough later
        except Exception as error:
            traceback.print_exc()
            self._send({"failure": f"{source}: cannot be loaded ({error!r})"})
            return
        self._send({"ready": True})
        with ThreadPoolExecutor(UNDER_WAY) as pool:
            while frame := frames.read(self._source):
                pool.submit(self._answer, *frame)

    def _answer(self, header: Mapping[str, Any], image: bytes) -> None:
        answer, body = {"id": header["id"]}, b""
        try:
            kind, body = self._compute(header["task"], Options(**header["options"]), image)
            answer["media_type"] = kind
        except ProblemError as error:
            answer |= {"problem": error.problem.name, "detail": error.detail}
        except MemoryError:
            detail = "image: does not fit in memory; save it smaller"
            answer |= {"problem": "image-too-large", "detail": detail}
        except Exception:
            traceback.print_exc()
            answer |= {"problem": "internal-error", "detail": "see the server's output"}
        self._send(answer, body)

    def _send(self, header: Mapping[str, Any], body: bytes = b"") -> None:
        with self._writing:
            for part in frames.pack(header, body):
                self._sink.write(part)
            self._sink.flush()

    def _compute(self, task: str, options: Options, image: bytes) -> tuple[str, bytes]:
        """Return the media type and the body of a result."""
        stimulus = _decoded(image, self._max_pixels)
        regions = _regions(options, stimulus)
        try:
            with self._predicting:  # two at once would only make each other wait
                prediction = self._models[options.model].predict(
                    stimulus,
                    center_bias=options.center_bias,
                    pixels_per_degree=options.pixels_per_degree,
                    viewport=None if options.viewport is None else parse_viewport(options.viewport),
                    scroll=None if options.scroll is None else parse_scroll(options.scroll),
                )
        except DeepGazeError as error:
            raise ProblemError("cannot-predict", str(error)) from error
        if task == "layers":
            return FORMATS["json"], _json(layers(prediction))
        if options.format == "json":
            return FORMATS["json"], _json(_in_numbers(prediction, options, regions))
        return FORMATS[options.format], encoded(prediction, f".{options.format}")


def _decoded(image: bytes, max_pixels: int) -> Stimulus:
    try:
        return read_stimulus(image, max_pixels=max_pixels, to_srgb=True)
    except ImageSizeError as error:
        raise ProblemError("image-too-large", str(error)) from error
    except ImageFormatError as error:
        raise ProblemError("unsupported-image", str(error)) from error
    except StimulusError as error:
        raise ProblemError("image-damaged", str(error)) from error


def _regions(options: Options, stimulus: Stimulus) -> list[Region]:
    """Return the regions in pixels; before the network has worked for nothing."""
    try:
        return [
            parse_region(text).in_pixels(stimulus.width, stimulus.height)
            for text in options.regions
        ]
    except DeepGazeError as error:
        raise ProblemError("region-outside-image", str(error)) from error


def _in_numbers(
    prediction: Prediction, options: Options, regions: list[Region]
) -> dict[str, object]:
    return {
        **summary(prediction),
        "regions": [share.as_json() for share in region_shares(prediction, regions)],
        "samples": prediction.sample(options.samples, options.seed).tolist(),
    }


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


if __name__ == "__main__":
    main()
