"""Workers die, queues fill, signals come: every image gets an answer, and the server recovers."""

import concurrent.futures
import os
import signal
import socket
from pathlib import Path

import psutil
import pytest

from live_server import LiveServer, eventually, photo, serving, upload_head


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
