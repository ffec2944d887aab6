"""Who is computed next, who waits and who is refused: a state, and what an event makes of it.

There is no process here and no clock but the `now` that each event comes with, in seconds. Each
event's function returns the queue after it and what is to be done; `dispatcher.py` does it.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

from deepgaze2.serve.queue.limits import UNDER_WAY

Reason = Literal["full", "no-worker", "waited", "took-too-long", "lost-twice"]


@dataclass(frozen=True)
class Ticket:
    """An image in the queue.

    Attributes
    ----------
    number
        Which.
    deadline
        When its time is used up.
    is_retry
        Whether a worker died over it before; it is computed alone.
    is_over
        Whether nobody waits for it, though the worker has it.
    """

    number: int
    deadline: float
    is_retry: bool = False
    is_over: bool = False


@dataclass(frozen=True)
class Queue:
    """Images that wait and images that the worker has.

    Attributes
    ----------
    room
        Images that may wait beside those for which the worker has a place.
    patience_s
        Time of an image, waiting included, and of a worker for its next result.
    worker
        Whether it takes images; "given up" is one that is killed and not known to be dead,
        "starting" comes before the first and after each, "failed" if that went wrong.
    busy_since
        When the worker gave its latest result, or got its first image after a rest.
    compute_s
        What an image took lately.
    """

    room: int
    patience_s: float
    waiting: tuple[Ticket, ...] = ()
    at_worker: tuple[Ticket, ...] = ()
    worker: Literal["starting", "ready", "given up", "failed"] = "starting"
    busy_since: float = 0.0
    compute_s: float = 1.0


@dataclass(frozen=True)
class Send:
    """Give an image to the worker."""

    number: int


@dataclass(frozen=True)
class Fail:
    """Answer that an image is not computed."""

    number: int
    reason: Reason


@dataclass(frozen=True)
class GiveUp:
    """Kill the worker."""


Decision = Send | Fail | GiveUp
Step = tuple[Queue, list[Decision]]


def refusal(queue: Queue) -> Reason | None:
    """Return why an image would not be taken now; None if it would.

    Free places at the worker count whether or not it has been given its images yet.
    """
    if queue.worker == "failed":
        return "no-worker"
    is_full = len(queue.waiting) + len(queue.at_worker) >= queue.room + UNDER_WAY
    return "full" if is_full else None


def retry_after_s(queue: Queue) -> int:
    """Return in how many seconds the queue may have room."""
    return max(1, math.ceil(queue.compute_s * (len(queue.waiting) + 1) / 2))


def next_deadline(queue: Queue) -> float | None:
    """Return when `time_passed` has something to do; None if never."""
    tickets = (*queue.waiting, *queue.at_worker)
    times = [ticket.deadline for ticket in tickets if not ticket.is_over]
    if queue.worker == "ready" and queue.at_worker:
        times.append(queue.busy_since + queue.patience_s)
    return min(times, default=None)


def arrived(queue: Queue, number: int, now: float) -> Step:
    """Take an image for which there is room."""
    ticket = Ticket(number, now + queue.patience_s)
    return _fed(replace(queue, waiting=(*queue.waiting, ticket)), now)


def left(queue: Queue, number: int, now: float) -> Step:
    """Drop an image that nobody waits for; what the worker has it finishes."""
    waiting = tuple(ticket for ticket in queue.waiting if ticket.number != number)
    at_worker = _over(queue.at_worker, {number})
    return _fed(replace(queue, waiting=waiting, at_worker=at_worker), now)


def worker_ready(queue: Queue, now: float) -> Step:
    """Begin with a worker that has loaded its models."""
    return _fed(replace(queue, worker="ready"), now)


def worker_failed(queue: Queue) -> Step:
    """Note that no worker could be started."""
    return replace(queue, worker="failed"), []


def result_came(queue: Queue, number: int, now: float) -> Step:
    """Note that the worker is done with an image."""
    at_worker = tuple(ticket for ticket in queue.at_worker if ticket.number != number)
    compute_s = queue.compute_s + 0.2 * (now - queue.busy_since - queue.compute_s)
    return _fed(replace(queue, at_worker=at_worker, busy_since=now, compute_s=compute_s), now)


def worker_lost(queue: Queue) -> Step:
    """Decide what becomes of the images that a dead worker had.

    Each is tried once more, alone, so that no image fails because of another's. Where the worker
    was given up, its time was short and nothing says that an image is to blame.
    """
    again: list[Ticket] = []
    decisions: list[Decision] = []
    was_given_up = queue.worker == "given up"
    for ticket in queue.at_worker:
        if ticket.is_over:
            continue
        if ticket.is_retry and not was_given_up:
            decisions.append(Fail(ticket.number, "lost-twice"))
        else:
            again.append(replace(ticket, is_retry=not was_given_up))
    waiting = (*again, *queue.waiting)
    return replace(queue, waiting=waiting, at_worker=(), worker="starting"), decisions


def time_passed(queue: Queue, now: float) -> Step:
    """Answer for images that have used up their time, and give up a worker that gives nothing."""
    why_waiting: Reason = "waited" if queue.worker == "ready" else "no-worker"
    late = [ticket for ticket in queue.at_worker if ticket.deadline <= now and not ticket.is_over]
    decisions: list[Decision] = [
        *(Fail(ticket.number, "took-too-long") for ticket in late),
        *(Fail(ticket.number, why_waiting) for ticket in queue.waiting if ticket.deadline <= now),
    ]
    queue = replace(
        queue,
        waiting=tuple(ticket for ticket in queue.waiting if ticket.deadline > now),
        at_worker=_over(queue.at_worker, {ticket.number for ticket in late}),
    )
    is_stuck = queue.at_worker and queue.busy_since + queue.patience_s <= now
    if queue.worker == "ready" and is_stuck:
        return replace(queue, worker="given up"), [*decisions, GiveUp()]
    queue, sends = _fed(queue, now)
    return queue, [*decisions, *sends]


def _over(tickets: tuple[Ticket, ...], numbers: set[int]) -> tuple[Ticket, ...]:
    return tuple(replace(t, is_over=t.is_over or t.number in numbers) for t in tickets)


def _fed(queue: Queue, now: float) -> Step:
    """Give the worker what it may have."""
    decisions: list[Decision] = []
    while queue.worker == "ready" and queue.waiting and _has_place(queue):
        first, *others = queue.waiting
        decisions.append(Send(first.number))
        busy_since = queue.busy_since if queue.at_worker else now
        at_worker = (*queue.at_worker, first)
        queue = replace(queue, waiting=tuple(others), at_worker=at_worker, busy_since=busy_since)
    return queue, decisions


def _has_place(queue: Queue) -> bool:
    is_alone = any(ticket.is_retry for ticket in (queue.waiting[0], *queue.at_worker))
    return len(queue.at_worker) < (1 if is_alone else UNDER_WAY)
