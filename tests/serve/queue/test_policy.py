"""The queue's decisions, one event at a time: no process, no clock but the one passed in."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgaze2.serve.queue import policy
from deepgaze2.serve.queue.limits import UNDER_WAY
from deepgaze2.serve.queue.policy import Fail, GiveUp, Queue, Send, Step

EMPTY = Queue(room=3, patience_s=10.0)
READY = replace(EMPTY, worker="ready")


def queued(n: int, queue: Queue = READY) -> Queue:
    """The queue after images 0, 1, ... arrived at once."""
    for number in range(n):
        assert policy.refusal(queue) is None
        queue, _ = policy.arrived(queue, number, 0.0)
    return queue


def numbers(queue: Queue) -> tuple[list[int], list[int]]:
    """Which images wait, and which the worker has."""
    return [t.number for t in queue.waiting], [t.number for t in queue.at_worker]


@pytest.mark.parametrize("queue", [READY, EMPTY], ids=["ready", "starting"])
def test_a_burst_that_fits_is_taken(queue: Queue) -> None:
    """Three may wait and two be at the worker, whether or not it was given them yet."""
    full = queued(5, queue)
    assert policy.refusal(full) == "full"
    ready, _ = policy.worker_ready(full, 0.0)
    assert numbers(ready) == ([2, 3, 4], [0, 1])


def test_images_are_sent_as_places_become_free() -> None:
    queue, decisions = policy.arrived(READY, 0, 0.0)
    assert decisions == [Send(0)]
    queue, decisions = policy.result_came(queued(4), 1, 2.0)
    assert decisions == [Send(2)]
    assert numbers(queue) == ([3], [0, 2])
    assert policy.refusal(queue) is None


def test_images_wait_while_there_is_no_worker() -> None:
    queue, decisions = policy.arrived(EMPTY, 0, 0.0)
    assert decisions == []
    assert policy.worker_ready(queue, 5.0)[1] == [Send(0)]


def test_without_a_worker_that_starts_nothing_is_taken_and_all_is_kept() -> None:
    queue, decisions = policy.worker_failed(queued(2, EMPTY))
    assert decisions == []
    assert policy.refusal(queue) == "no-worker"
    queue, decisions = policy.worker_ready(queue, 1.0)
    assert decisions == [Send(0), Send(1)]
    assert policy.refusal(queue) is None


def test_images_of_a_dead_worker_are_tried_again_alone_and_first() -> None:
    queue, decisions = policy.worker_lost(queued(4))
    assert decisions == []
    assert numbers(queue) == ([0, 1, 2, 3], [])
    sent = []
    queue, decisions = policy.worker_ready(queue, 1.0)
    for _ in range(3):
        sent.append(decisions)
        queue, decisions = policy.result_came(queue, queue.at_worker[0].number, 2.0)
    assert sent == [[Send(0)], [Send(1)], [Send(2), Send(3)]]


def test_an_image_over_which_two_workers_die_fails_and_no_other() -> None:
    queue, _ = policy.worker_ready(policy.worker_lost(queued(3))[0], 1.0)
    queue, decisions = policy.worker_lost(queue)
    assert decisions == [Fail(0, "lost-twice")]
    assert numbers(queue) == ([1, 2], [])


def test_a_worker_that_gives_nothing_is_killed_and_no_image_blamed() -> None:
    queue, _ = policy.arrived(READY, 0, 0.0)
    queue, _ = policy.arrived(queue, 1, 4.0)
    assert policy.next_deadline(queue) == 10.0
    assert policy.time_passed(queue, 9.9) == (queue, [])
    queue, decisions = policy.time_passed(queue, 10.0)
    assert decisions == [Fail(0, "took-too-long"), GiveUp()]
    assert policy.next_deadline(queue) == 14.0  # the other's, not the worker's
    queue, decisions = policy.worker_lost(queue)
    assert (numbers(queue), decisions) == (([1], []), [])
    assert not queue.waiting[0].is_retry


def test_a_worker_that_gives_results_is_kept_though_images_are_late() -> None:
    queue, _ = policy.result_came(queued(5), 0, 6.0)
    queue, decisions = policy.time_passed(queue, 10.0)
    late = [Fail(1, "took-too-long"), Fail(2, "took-too-long")]
    assert decisions == [*late, Fail(3, "waited"), Fail(4, "waited")]
    assert numbers(queue) == ([], [1, 2])
    assert policy.next_deadline(queue) == 16.0


@pytest.mark.parametrize("fails", [False, True])
def test_images_that_waited_for_no_worker_are_told_so(fails: bool) -> None:
    queue = queued(1, EMPTY)
    if fails:
        queue, _ = policy.worker_failed(queue)
    assert policy.time_passed(queue, 10.0)[1] == [Fail(0, "no-worker")]


def test_an_image_that_nobody_waits_for_leaves_its_place_or_is_finished() -> None:
    queue, _ = policy.left(queued(5), 3, 1.0)
    assert numbers(queue) == ([2, 4], [0, 1])
    queue, _ = policy.left(queue, 0, 1.0)
    assert numbers(queue) == ([2, 4], [0, 1])
    assert numbers(policy.worker_lost(queue)[0]) == ([1, 2, 4], [])
    assert policy.time_passed(queue, 10.0)[1][0] == Fail(1, "took-too-long")


def test_a_retry_that_is_left_makes_way() -> None:
    queue, _ = policy.worker_lost(queued(1))
    queue = replace(queue, at_worker=queued(1).at_worker, worker="ready")
    queue, decisions = policy.arrived(queue, 7, 0.0)
    assert decisions == []
    assert policy.left(queue, 0, 0.0)[1] == [Send(7)]


def test_busy_clients_are_told_when_to_come_back() -> None:
    assert policy.retry_after_s(EMPTY) == 1
    assert policy.retry_after_s(replace(queued(5), compute_s=7.0)) == 14
    queue, _ = policy.result_came(queued(1), 0, 6.0)
    assert queue.compute_s == pytest.approx(2.0)


@dataclass
class World:
    """A queue, and what a server around it knows."""

    queue: Queue = READY
    now: float = 0.0
    n: int = 0
    pending: set[int] = field(default_factory=set)
    sent: set[int] = field(default_factory=set)  # to the present worker

    def then(self, step: Step) -> None:
        self.queue, decisions = step
        for decision in decisions:
            match decision:
                case Send(number):
                    assert number not in self.sent
                    self.sent.add(number)
                case Fail(number, _):
                    self.pending.remove(number)  # which no image is twice

    def happens(self, event: str, choice: int) -> None:
        queue, now = self.queue, self.now
        if event == "arrive" and policy.refusal(queue) is None:
            self.pending.add(self.n)
            self.n += 1
            self.then(policy.arrived(queue, self.n - 1, now))
        elif event == "leave" and self.pending:
            number = sorted(self.pending)[choice % len(self.pending)]
            self.pending.remove(number)
            self.then(policy.left(queue, number, now))
        elif event == "result" and self.sent:
            number = sorted(self.sent)[choice % len(self.sent)]
            self.sent.remove(number)
            self.pending.discard(number)
            self.then(policy.result_came(queue, number, now))
        elif event == "lose" and queue.worker in ("ready", "given up"):
            self.sent.clear()
            self.then(policy.worker_lost(queue))
        elif event == "fail" and queue.worker in ("starting", "failed"):
            self.then(policy.worker_failed(queue))
        elif event == "start" and queue.worker in ("starting", "failed"):
            self.then(policy.worker_ready(queue, now))
        elif event == "wait":
            self.now += choice
            self.then(policy.time_passed(queue, self.now))


EVENTS = ["arrive", "arrive", "leave", "result", "lose", "fail", "start", "wait"]


@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 9)), max_size=60))
def test_whatever_happens_no_image_is_lost_or_answered_twice(events: list[tuple[str, int]]) -> None:
    world = World()
    for event, choice in events:
        world.happens(event, choice)
        queue = world.queue
        waiting, at_worker = numbers(queue)
        live = {t.number for t in (*queue.waiting, *queue.at_worker) if not t.is_over}
        assert live == world.pending
        assert set(at_worker) == world.sent
        assert len(at_worker) <= (1 if any(t.is_retry for t in queue.at_worker) else UNDER_WAY)
        assert len(waiting) + len(at_worker) <= queue.room + UNDER_WAY
        deadline = policy.next_deadline(queue)
        assert (deadline is None) <= (not world.pending)
        is_idle = queue.worker == "ready" and not at_worker
        assert not (is_idle and waiting)
    # A worker that answers everything empties the queue.
    world.happens("lose", 0)
    world.happens("start", 0)
    while world.sent:
        world.happens("result", 0)
    assert not world.pending
    assert numbers(world.queue) == ([], [])
