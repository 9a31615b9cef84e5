"""A browser, headless, driven over the WebDriver protocol: as much of it as the page's test needs.

Only the standard library is used; chromedriver and chromium come from the system."""

import base64
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's name for a reference
KEYS = {"up": "\ue013", "down": "\ue015", "enter": "\ue007", "tab": "\ue004", "escape": "\ue00c",
        "left": "\ue012", "right": "\ue014"}


def missing():
    """The program that a browser needs and that is not here, or None."""
    for program in ("chromium", "chromedriver"):
        if not shutil.which(program):
            return program
    return None


class Browser:
    def __init__(self, folder, width=1280, height=860, dark=False, scale=1):
        """Keeps its profile and its downloads in folder."""
        self.downloads = os.path.join(folder, "downloads")
        os.makedirs(self.downloads, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.log = open(os.path.join(folder, "chromedriver.log"), "wb")
        self.driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=self.log,
                                       stderr=self.log)
        self.base = f"http://127.0.0.1:{port}"
        self.session = None
        arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--hide-scrollbars", f"--window-size={width},{height}",
                     f"--force-device-scale-factor={scale}",
                     f"--user-data-dir={os.path.join(folder, 'profile')}"]
        if dark:
            arguments.append("--blink-settings=preferredColorScheme=0")
        options = {"args": arguments, "binary": shutil.which("chromium"),
                   "prefs": {"download.default_directory": self.downloads}}
        try:
            self._wait_for_driver()
            answer = self._send("POST", "/session", {"capabilities": {"alwaysMatch": {
                "browserName": "chrome", "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL"}}}})
        except BaseException:
            self.driver.kill()
            raise
        self.session = f"/session/{answer['sessionId']}"

    def _wait_for_driver(self, patience=60):
        end = time.monotonic() + patience
        while True:
            try:
                if self._send("GET", "/status")["ready"]:
                    return
            except OSError:
                if time.monotonic() > end:
                    raise
            time.sleep(0.1)

    def _send(self, method, path, value=None):
        body = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(self.base + path, body, method=method,
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            told = json.load(error)["value"]
            raise AssertionError(f"{path}: {told['error']}: {told['message']}") from None

    def close(self):
        try:
            if self.session:
                self._send("DELETE", self.session)
        finally:
            self.driver.terminate()
            self.driver.wait()
            self.log.close()

    def open(self, address):
        self._send("POST", self.session + "/url", {"url": address})

    def resize(self, width, height):
        self._send("POST", self.session + "/window/rect", {"width": width, "height": height})

    def run(self, script, *arguments):
        """The value that the script, the body of an asynchronous function, returns."""
        wrapped = ("const done = arguments[arguments.length - 1];"
                   "(async (...args) => {" + script + "})(...[...arguments].slice(0, -1))"
                   ".then((value) => done({value}), (error) => done({error: String(error)}));")
        told = self._send("POST", self.session + "/execute/async",
                          {"script": wrapped, "args": list(arguments)})
        if "error" in told:
            raise AssertionError(f"{told['error']} in: {script}")
        return told.get("value")

    def wait(self, condition, what, patience=60):
        """Until the expression, JavaScript, is true; returns its value."""
        end = time.monotonic() + patience
        while True:
            value = self.run(f"return {condition};")
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"{what}: {condition} did not come true")
            time.sleep(0.05)

    def find(self, selector):
        return self._send("POST", self.session + "/element",
                          {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self._send("POST", f"{self.session}/element/{self.find(selector)}/click", {})

    def type(self, selector, text):
        self._send("POST", f"{self.session}/element/{self.find(selector)}/value", {"text": text})

    def press(self, *keys):
        """Keys for whatever has the focus: single characters, or names from KEYS."""
        actions = []
        for key in keys:
            value = KEYS.get(key, key)
            actions += [{"type": "keyDown", "value": value}, {"type": "keyUp", "value": value}]
        self._send("POST", self.session + "/actions",
                   {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def point(self, x, y):
        """Moves the mouse to a place of the window."""
        move = {"type": "pointerMove", "x": round(x), "y": round(y), "duration": 0}
        self._send("POST", self.session + "/actions",
                   {"actions": [{"type": "pointer", "id": "mouse", "actions": [move]}]})

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self._send("GET", self.session + "/screenshot")))

    def complaints(self):
        """What the browser logged as errors since the last call: broken rules, exceptions."""
        entries = self._send("POST", self.session + "/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]
