"""Headless Chromium, driven by the DevTools protocol over a pipe: no port, no driver program."""

import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

TIMEOUT_S = 60.0


def find_chromium() -> str | None:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path is not None:
            return path
    return None


class Browser:
    """One browser with one tab.

    ``problems`` collects what the page's console and the browser's log say, uncaught errors too.
    """

    def __init__(self) -> None:
        path = find_chromium()
        if path is None:
            raise FileNotFoundError("no chromium: apt-get install chromium")
        self.profile = tempfile.mkdtemp(prefix="ladle-chromium-")
        to_read, self.to_browser = os.pipe()
        self.from_browser, to_write = os.pipe()

        # The protocol wants descriptors 3 and 4.
        def connect() -> None:
            first = os.dup(to_read)
            second = os.dup(to_write)
            os.dup2(first, 3)
            os.dup2(second, 4)

        words = "--headless --no-sandbox --disable-gpu --remote-debugging-pipe --no-first-run"
        words += " --disable-dev-shm-usage --disable-extensions --disable-background-networking"
        words += " --disable-component-update --hide-scrollbars --font-render-hinting=none"
        self.process = subprocess.Popen(
            [path, *words.split(), f"--user-data-dir={self.profile}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=connect,
            start_new_session=True,
            # Where a browser keeps what is not in its profile.
            env={**os.environ, "HOME": self.profile, "XDG_CONFIG_HOME": self.profile},
        )
        os.close(to_read)
        os.close(to_write)
        self.buffer = b""
        self.number = 0
        self.session: str | None = None
        self.events: list[dict[str, Any]] = []
        self.problems: list[str] = []
        targets = self.call("Target.getTargets")["targetInfos"]
        tab = next(target for target in targets if target["type"] == "page")
        self.session = self.call("Target.attachToTarget", targetId=tab["targetId"], flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        # A page of a window in the background gets no focus events.
        self.call("Emulation.setFocusEmulationEnabled", enabled=True)

    def receive(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.from_browser], [], [], deadline - time.monotonic())
            if not ready:
                raise TimeoutError("the browser does not answer")
            data = os.read(self.from_browser, 1 << 20)
            if not data:
                raise ConnectionError("the browser is gone")
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        method = message.get("method")
        if method == "Runtime.exceptionThrown":
            self.problems.append(str(message["params"]["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and message["params"]["type"] in (
            "error",
            "warning",
        ):
            self.problems.append(str(message["params"]["args"]))
        elif method == "Log.entryAdded":
            self.problems.append(str(message["params"]["entry"]))
        return message

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.number += 1
        message: dict[str, Any] = {"id": self.number, "method": method, "params": parameters}
        if self.session is not None:
            message["sessionId"] = self.session
        os.write(self.to_browser, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            answer = self.receive(deadline)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def view(self, width: int, height: int, scheme: str, touch: bool = False) -> None:
        """Set the width of the window and the colour scheme: "light" or "dark"."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=touch,
        )
        self.call(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )

    def open(self, path: Path) -> None:
        """Load a file and wait until it is drawn; ``problems`` and ``events`` begin anew."""
        self.problems.clear()
        self.events.clear()
        self.call("Page.navigate", url=path.resolve().as_uri())
        deadline = time.monotonic() + TIMEOUT_S
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.receive(deadline))

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key)

    def point_at(self, x: float, y: float) -> None:
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def close(self) -> None:
        """End the browser and remove its profile."""
        try:
            self.session = None
            self.call("Browser.close")
        except (ConnectionError, BrokenPipeError):
            pass
        self.process.wait(timeout=TIMEOUT_S)
        os.close(self.to_browser)
        os.close(self.from_browser)
        # Its last children may still be writing.
        shutil.rmtree(self.profile, ignore_errors=True)
        shutil.rmtree(self.profile, ignore_errors=True)
