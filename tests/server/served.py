"""The program's server as a child process, for tests that call it from outside."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request


class Server:
    """gctmask serve on a free port of the loopback; .address is where it listens."""

    def __init__(self, program, folder, *options):
        self.log_path = os.path.join(folder, f"serve-{time.monotonic_ns()}.log")
        environment = dict(os.environ, OMP_WAIT_POLICY="passive")
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([program, "serve", "--listen", "127.0.0.1:0", *options],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=environment)
        self.address = self._wait()

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def _wait(self, patience=120):
        end = time.monotonic() + patience
        while time.monotonic() < end:
            found = re.search(r"https?://127\.0\.0\.1:\d+", self.log())
            if found and self._is_ready(found.group()):
                return found.group()
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        self.process.kill()
        raise AssertionError(f"the server did not come up:\n{self.log()}")

    @staticmethod
    def _is_ready(address):
        try:
            with urllib.request.urlopen(address + "/v1/health/ready", timeout=10) as answer:
                return answer.status == 200
        except OSError:
            return False

    def call(self, path, body=None, headers=None):
        """Status and JSON of the answer; POST where there is a body."""
        request = urllib.request.Request(self.address + path, body, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def stop(self):
        """Has it drain; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"the server did not stop:\n{self.log()}") from None

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
