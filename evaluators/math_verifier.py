"""Whether two mathematical expressions are equal, from any thread, within a time limit.

math-verify decides, in a process of its own (see math_judge.py) that is started when it is first
needed and serves all threads in turn. It limits its steps by itself; where that fails, as in a
power that takes for ever in compiled code, the process is killed, and the next question starts
another.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from evaluators.errors import VerifierFailed

START_SECONDS = 120.0
ANSWER_SECONDS = 20.0


@dataclass(frozen=True)
class Verdict:
    """`answer` is what the completion ends with, None where it has no expression or none that could
    be read in time."""

    answer: str | None
    correct: bool


class MathVerifier:
    """A judging process, restarted as needed. Safe to share by threads.

    `answer_seconds` is what one question may take before the process is killed.
    """

    def __init__(self, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._answer_seconds = answer_seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = b""

    def judge(self, reference: str, text: str) -> Verdict:
        """Compare a completion's answer with a reference in LaTeX.

        What takes too long, or ends the process, is wrong and no answer. Raises VerifierFailed
        where no process can be started.
        """
        with self._lock:
            process = self._process or self._start()
            asked = json.dumps({"reference": reference, "text": text}).encode() + b"\n"
            try:
                self._send(process, asked)
                answered = self._read(process, self._answer_seconds)
            except BrokenPipeError:
                answered = None
            if answered is None:
                self._stop(process)
                return Verdict(None, False)
            return Verdict(answered["answer"], answered["correct"])

    def close(self) -> None:
        """End the process; the next question starts another."""
        with self._lock:
            if self._process is not None:
                self._stop(self._process)

    def _start(self) -> subprocess.Popen[bytes]:
        root = str(Path(__file__).parents[1])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        process = subprocess.Popen(
            [sys.executable, "-m", "evaluators.math_judge"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        self._unread = b""
        if self._read(process, START_SECONDS) != "ready":
            self._stop(process)
            raise VerifierFailed(
                f"the process that compares answers did not start (exit code {process.returncode})"
            )
        self._process = process
        return process

    def _send(self, process: subprocess.Popen[bytes], data: bytes) -> None:
        assert process.stdin is not None
        process.stdin.write(data)
        process.stdin.flush()

    def _read(self, process: subprocess.Popen[bytes], seconds: float) -> Any:
        """The next line's value; None where the process ended or the time is over."""
        assert process.stdout is not None
        until = time.monotonic() + seconds
        while b"\n" not in self._unread:
            ready, _, _ = select.select(
                [process.stdout], [], [], max(0.0, until - time.monotonic())
            )
            received = os.read(process.stdout.fileno(), 1 << 16) if ready else b""
            if not received:
                return None
            self._unread += received
        line, _, self._unread = self._unread.partition(b"\n")
        return json.loads(line)

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        self._process = None
        process.kill()
        # Closes the pipes; what could not be sent is of no interest any more.
        try:
            process.communicate()
        except BrokenPipeError:
            process.wait()


@cache
def math_verifier() -> MathVerifier:
    """The one of this process, closed when the process ends."""
    verifier = MathVerifier()
    atexit.register(verifier.close)
    return verifier
