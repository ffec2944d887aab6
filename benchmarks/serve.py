"""Speed, latency and memory of `deepgaze2 serve`, beside predict_many in the same run.

    python benchmarks/serve.py                # about ten minutes
    python benchmarks/serve.py --seconds 5    # a look

The server runs in a process of its own; this one sends it photos over the loopback interface.
Throughput is measured in turns with predict_many. Then come 80% of that rate, evenly spaced and
at random times (Poisson), ten times the rate, and what the server is like afterwards.
"""

import argparse
import asyncio
import io
import itertools
import json
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from PIL import Image

import deepgaze2
from deepgaze2.image.examples import example_paths
from deepgaze2.support.cores import available_cores

SIZE = (1024, 768)
COMMAND = [sys.executable, "-c", "from deepgaze2.cli import main; main()", "serve"]
CLIENTS = 3  # enough that the server never waits for the next image
NO_ANSWER = 0


@dataclass(frozen=True)
class Reply:
    """How a request ended, and after how many seconds."""

    status: int
    seconds: float


@dataclass(frozen=True)
class Server:
    """A running server."""

    process: psutil.Process
    port: int

    async def predict(self, image: bytes, kind: str = "npy") -> Reply:
        """Upload an image over a connection of its own and read the whole answer."""
        began = time.perf_counter()
        head = (
            f"POST /v1/predict?format={kind} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Content-Type: image/jpeg\r\nContent-Length: {len(image)}\r\n\r\n"
        )
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(head.encode() + image)
            answer = await reader.read()
            writer.close()
            status = int(answer[9:12] or NO_ANSWER)
        except OSError:
            status = NO_ANSWER
        return Reply(status, time.perf_counter() - began)

    def memory_mb(self) -> float:
        """Return the resident memory of the server and its worker."""
        processes = [self.process, *self.process.children()]
        return float(sum(process.memory_info().rss for process in processes)) / 1e6


@contextmanager
def running_server() -> Iterator[Server]:
    """Start a server on a free port and end it with the block."""
    command = [*COMMAND, "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[2]
            yield Server(psutil.Process(process.pid), int(url.rstrip("/;").rpartition(":")[2]))
        finally:
            process.terminate()


def photos() -> list[bytes]:
    """Return the example photos at 1024×768, as JPEG files."""
    files = []
    for path in example_paths():
        stream = io.BytesIO()
        with Image.open(path) as image:
            image.convert("RGB").resize(SIZE).save(stream, "JPEG", quality=90)
        files.append(stream.getvalue())
    return files


async def closed_loop(server: Server, images: list[bytes], n: int, kind: str) -> float:
    """Return images per second when a few clients send one image after another."""
    todo = iter(list(itertools.islice(itertools.cycle(images), n)))

    async def client() -> None:
        for image in todo:
            reply = await server.predict(image, kind)
            assert reply.status == 200, reply

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return n / (time.perf_counter() - began)


async def open_loop(
    server: Server, images: list[bytes], rate: float, seconds: float, *, random_times: bool
) -> list[Reply]:
    """Send images at a rate (per second), however long the answers take."""
    generator = random.Random(0)
    source = itertools.cycle(images)
    began = at = time.perf_counter()
    sent = []
    while at < began + seconds:
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        sent.append(asyncio.create_task(server.predict(next(source))))
        at += generator.expovariate(rate) if random_times else 1 / rate
    return list(await asyncio.gather(*sent))


def throughput(
    server: Server, images: list[bytes], rounds: int, seconds: float
) -> tuple[float, dict[str, float]]:
    """Compare with predict_many, in turns; returns the server's rate, too."""
    model = deepgaze2.load()
    next(model.predict_many(images))  # what only the first image costs

    def many(n: int) -> float:
        began = time.perf_counter()
        for _ in model.predict_many(itertools.islice(itertools.cycle(images), n)):
            pass
        return n / (time.perf_counter() - began)

    n = max(6, round(seconds * many(6)))
    rates: dict[str, list[float]] = {"many": [], "npy": [], "json": []}
    for _ in range(rounds):
        rates["many"].append(many(n))
        for kind in ("npy", "json"):
            rates[kind].append(asyncio.run(closed_loop(server, images, n, kind)))
    median = {name: statistics.median(values) for name, values in rates.items()}
    return median["npy"], {
        "predict_many, images/s": median["many"],
        "server, npy, images/s": median["npy"],
        "server, npy / predict_many": median["npy"] / median["many"],
        "server, json / predict_many": median["json"] / median["many"],
    }


def latency(replies: list[Reply], name: str) -> dict[str, float]:
    """Return median and 99th percentile of the images that were computed."""
    served = sorted(reply.seconds for reply in replies if reply.status == 200)
    median, p99 = statistics.median(served), served[min(len(served) - 1, int(0.99 * len(served)))]
    return {
        f"{name}, images": len(replies),
        f"{name}, refused": len(replies) - len(served),
        f"{name}, median s": median,
        f"{name}, p99 s": p99,
        f"{name}, p99 / median": p99 / median,
    }


def overload(server: Server, images: list[bytes], rate: float, seconds: float) -> dict[str, float]:
    """Send ten times what the server can compute, then ask how it is."""
    began = time.perf_counter()
    replies = asyncio.run(open_loop(server, images, 10 * rate, seconds, random_times=True))
    took = time.perf_counter() - began
    statuses = Counter(reply.status for reply in replies)
    refusals = [reply.seconds for reply in replies if reply.status == 503]
    figures = latency(replies, "10 times the load") | {
        "10 times the load, other answers than 200 and 503": float(
            len(replies) - statuses[200] - statuses[503]
        ),
        "10 times the load, computed / capacity": statuses[200] / took / rate,
        "10 times the load, median s to a 503": statistics.median(refusals),
    }
    after = [asyncio.run(server.predict(images[0])) for _ in range(5)]
    assert all(reply.status == 200 for reply in after), after
    figures["afterwards, one image, s"] = statistics.median(reply.seconds for reply in after)
    return figures


def main() -> None:
    """Run all phases and print them as a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of each phase")
    parser.add_argument("--rounds", type=int, default=3, help="of the throughput's phases")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    arguments = parser.parse_args()
    seconds, images = arguments.seconds, photos()
    with running_server() as server:
        before = [asyncio.run(server.predict(images[0])) for _ in range(6)][1:]
        figures = {"before, one image, s": statistics.median(reply.seconds for reply in before)}
        rate, rates = throughput(server, images, arguments.rounds, seconds / arguments.rounds)
        memory = [server.memory_mb()]
        figures |= rates
        for name, random_times in (("80% load, even", False), ("80% load, random", True)):
            replies = asyncio.run(
                open_loop(server, images, 0.8 * rate, seconds, random_times=random_times)
            )
            figures |= latency(replies, name)
            memory.append(server.memory_mb())
        figures |= overload(server, images, rate, seconds)
        memory.append(server.memory_mb())
    figures |= {
        "memory after the throughput, MB": memory[0],
        "memory at the end, MB": memory[-1],
        "memory at the end / after the throughput": memory[-1] / memory[0],
    }
    print(f"{available_cores()} cores, {deepgaze2.load().card.name}")
    for name, value in figures.items():
        print(f"{name:<52} {value:10.4g}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
