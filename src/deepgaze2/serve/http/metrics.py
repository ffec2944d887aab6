"""What the server counts, in Prometheus's text format."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client import exposition as prometheus

MEDIA_TYPE = prometheus.CONTENT_TYPE_LATEST

_SECONDS = (0.005, 0.02, 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counts of one server; nothing about any image or client."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "deepgaze2_requests",
            "Requests by route and status; 499 where the client went away.",
            ("route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "deepgaze2_request_seconds",
            "From a request's header to the end of its response.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._errors = Counter(
            "deepgaze2_errors",
            "Requests that ended with a problem, by its type.",
            ("kind",),
            registry=self._registry,
        )

    def watch(self, name: str, what: str, value: Callable[[], float]) -> None:
        """Report a value that is asked for when the metrics are."""
        Gauge(f"deepgaze2_{name}", what, registry=self._registry).set_function(value)

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """Count a request that has ended."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def count_error(self, kind: str) -> None:
        """Count a problem."""
        self._errors.labels(kind).inc()

    def text(self) -> bytes:
        """Return all of it."""
        return prometheus.generate_latest(self._registry)
