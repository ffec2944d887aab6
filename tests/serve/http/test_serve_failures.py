"""Workers die, queues fill, signals come: every image gets an answer, and the server recovers."""

import concurrent.futures
import os
import signal
import socket
import time
from pathlib import Path

import psutil
import pytest

from helpers.live_server import LiveServer, eventually, photo, serving, upload_head


def predicts(live: LiveServer) -> bool:
    return live.predict(photo()).status_code == 200


def test_results_that_nobody_takes(tmp_path: Path) -> None:
    content = photo(3000, 2000)
    with serving(tmp_path / "stderr", "--max-transfer-seconds", "1") as live:
        live.wait_until_ready()
        files = live.open_files()
        with live.connection() as connection:
            connection.sendall(upload_head(len(content), "format=npy") + content)
            live.wait_for_metric("images_under_way", 1)
            live.wait_for_metric("images_under_way", 0)
            eventually(lambda: live.open_files() <= files)
        assert predicts(live)


def test_a_full_queue_sheds_and_recovers(tmp_path: Path) -> None:
    with serving(tmp_path / "stderr", "--max-queue", "3") as live:
        live.wait_until_ready()
        live.worker().suspend()  # two images reach it, three wait
        with concurrent.futures.ThreadPoolExecutor(5) as pool:
            served = [pool.submit(predicts, live) for _ in range(5)]
            live.wait_for_metric("images_under_way", 5)
            live.wait_for_metric("queue_length", 3)
            for _ in range(20):
                response = live.predict(photo())
                assert response.status_code == 503
                assert response.json()["type"] == "/problems/queue-full"
                assert 1 <= int(response.headers["retry-after"]) <= 60
            live.worker().resume()
            assert all(future.result() for future in served)
        assert predicts(live)


def test_a_killed_worker_is_replaced_and_its_images_tried_again(tmp_path: Path) -> None:
    with serving(tmp_path / "stderr") as live:
        live.wait_until_ready()
        worker = live.worker()
        worker.suspend()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            served = [pool.submit(predicts, live) for _ in range(4)]
            live.wait_for_metric("images_under_way", 4)
            worker.kill()
            eventually(lambda: live.client.get("/readyz").status_code == 503)
            assert all(future.result() for future in served)
        assert live.worker().pid != worker.pid
        assert live.metric("worker_restarts") == 1
        live.wait_until_ready()


def test_an_image_that_kills_two_workers_is_given_up(tmp_path: Path) -> None:
    with serving(tmp_path / "stderr") as live, concurrent.futures.ThreadPoolExecutor(1) as pool:
        live.wait_until_ready()
        live.worker().suspend()
        lost = pool.submit(live.predict, photo(4000, 3000))
        live.wait_for_metric("images_under_way", 1)
        live.worker().kill()
        live.wait_for_metric("worker_restarts", 1)
        live.wait_until_ready()  # and at work on the image again, for a while
        live.worker().kill()
        response = lost.result()
        assert response.status_code == 503
        assert response.json()["type"] == "/problems/worker-lost"
        assert int(response.headers["retry-after"]) >= 1
        live.wait_until_ready()
        assert predicts(live)


def test_a_worker_that_is_killed_while_it_loads_is_replaced(tmp_path: Path) -> None:
    with serving(tmp_path / "stderr") as live, concurrent.futures.ThreadPoolExecutor(1) as pool:
        worker = live.worker()
        worker.suspend()  # before it is ready
        served = pool.submit(predicts, live)
        live.wait_for_metric("images_under_way", 1)
        worker.kill()
        assert served.result()
        assert live.metric("worker_ready") == 1
    assert "is started again: it died" in (tmp_path / "stderr").read_text()


def test_a_worker_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    """The system refuses it a pipe, as it may refuse a process."""
    with serving(tmp_path / "stderr") as live:
        live.wait_until_ready()
        server = psutil.Process(live.process.pid)
        limit = server.rlimit(psutil.RLIMIT_NOFILE)
        server.rlimit(psutil.RLIMIT_NOFILE, (live.open_files(), limit[1]))
        live.worker().kill()
        refusal = "cannot be started (Too many open files)"
        eventually(lambda: refusal in (tmp_path / "stderr").read_text())
        response = live.predict(photo())
        assert response.status_code == 503
        assert response.json()["type"] == "/problems/not-ready"
        assert int(response.headers["retry-after"]) >= 1
        server.rlimit(psutil.RLIMIT_NOFILE, limit)
        live.wait_until_ready()
        assert predicts(live)


@pytest.mark.slow
def test_images_that_wait_too_long_are_given_up_and_no_worker_with_them(tmp_path: Path) -> None:
    n = 100  # many more than are computed in this time
    options = ("--max-seconds", "10", "--max-queue", str(n), "--max-requests", str(n))
    with serving(tmp_path / "stderr", *options) as live:
        live.wait_until_ready()
        worker = live.worker().pid
        content = photo(1024, 768)
        with concurrent.futures.ThreadPoolExecutor(n) as pool:
            responses = list(pool.map(live.predict, [content] * n))
        late = [response for response in responses if response.status_code == 503]
        assert {response.status_code for response in responses} <= {200, 503, 504}
        assert 0 < len(late) < n
        for response in late:
            assert response.json()["type"] == "/problems/queue-full"
            assert "waited more than 10 s" in response.json()["detail"]
        assert live.worker().pid == worker
        assert live.metric("worker_restarts") == 0


@pytest.mark.slow
def test_an_image_that_takes_too_long_costs_no_other(tmp_path: Path) -> None:
    with (
        serving(tmp_path / "stderr", "--max-seconds", "30") as live,
        concurrent.futures.ThreadPoolExecutor(2) as pool,
    ):
        live.wait_until_ready()
        live.worker().suspend()
        hung = pool.submit(live.predict, photo())
        time.sleep(15)
        later = pool.submit(live.predict, photo())
        assert hung.result().json()["type"] == "/problems/compute-timeout"
        assert later.result().status_code == 200
        assert live.metric("worker_restarts") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_server_when_it_has_finished(tmp_path: Path, number: int) -> None:
    with serving(tmp_path / "stderr") as live:
        live.wait_until_ready()
        worker = live.worker()
        worker.suspend()
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            begun = [pool.submit(predicts, live) for _ in range(3)]
            live.wait_for_metric("images_under_way", 3)
            os.kill(live.process.pid, number)
            eventually(lambda: not _listens(live))
            assert live.process.poll() is None
            worker.resume()
            assert all(future.result() for future in begun)
        assert live.process.wait(30) == 0
        assert not worker.is_running()


def _listens(live: LiveServer) -> bool:
    try:
        with socket.create_connection(live.address, timeout=5):
            return True
    except ConnectionRefusedError:
        return False


def test_the_whole_group_may_be_signalled(tmp_path: Path) -> None:
    """As a terminal's Ctrl-C does, and a service manager."""
    with serving(tmp_path / "stderr") as live:
        live.wait_until_ready()
        worker = live.worker()
        for process in (worker, psutil.Process(live.process.pid)):
            process.send_signal(signal.SIGTERM)
        assert live.process.wait(30) == 0


def test_a_killed_server_leaves_no_worker(tmp_path: Path) -> None:
    with serving(tmp_path / "stderr", ends_well=False) as live:
        live.wait_until_ready()
        worker = live.worker()
        live.process.kill()
        eventually(lambda: not worker.is_running())
