"""Waiting for processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from app.process.children import ended


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(15)"]) as started:
        yield started
        started.kill()


def test_a_signal_that_another_thread_takes_is_handled_while_a_process_is_waited_for(
    process: subprocess.Popen[bytes],
) -> None:
    def take() -> None:
        time.sleep(0.3)
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, lambda *_: process.terminate())
    thread = threading.Thread(target=take)
    thread.start()
    try:
        assert ended(process) == -signal.SIGTERM
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)
