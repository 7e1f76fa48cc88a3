"""Pages in headless Chromium, driven by the chromedriver that the system has beside it."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BROWSERS, DRIVERS = ("chromium", "chromium-browser", "google-chrome"), ("chromedriver",)
QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def require_browser(config: pytest.Config) -> tuple[str, str]:
    """Where the browser and its driver are; without them the test is skipped, or fails."""
    found = [next(filter(None, map(shutil.which, names)), "") for names in (BROWSERS, DRIVERS)]
    if not all(found):
        reason = "needs chromium and chromedriver; on Debian: apt install chromium chromium-driver"
        (pytest.fail if config.getoption("--require-browser") else pytest.skip)(reason)
    return found[0], found[1]


class Tab:
    """A page that was opened, what it asked of the network, and what it complained of."""

    def __init__(self, driver, downloads: Path):
        self.driver, self.downloads = driver, downloads

    def open(self, page: Path, *, dark: bool = False, width: int = 1280) -> None:
        """Load a page anew."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.command("Emulation.setEmulatedMedia", features=scheme)
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.command("Emulation.setDeviceMetricsOverride", **size)
        self.driver.get(page.resolve().as_uri())

    def command(self, name: str, **given):
        """Of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(name, given)

    def run(self, script: str, *given):
        """What a script returns."""
        return self.driver.execute_script(script, *given)

    def click(self, selector: str) -> None:
        """The first element of a selector."""
        self.run("document.querySelector(arguments[0]).click()", selector)

    def saved(self, name: str, seconds: float = 20) -> bytes:
        """A file that arrives in the folder of downloads."""
        path, until = self.downloads / name, time.monotonic() + seconds
        while time.monotonic() < until:
            if path.is_file() and not list(self.downloads.glob("*.crdownload")):
                return path.read_bytes()
            time.sleep(0.05)
        there = sorted(p.name for p in self.downloads.iterdir())
        raise AssertionError(f"{name} did not arrive; there are {there}")

    def complaints(self) -> list[str]:
        """Warnings and errors of the console since they were last asked for."""
        return [f"{entry['level']}: {entry['message']}" for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Addresses that the page asked for beyond itself since they were last asked for."""
        entries = [entry["message"] for entry in self.driver.get_log("performance")]
        told = [json.loads(entry)["message"] for entry in entries]
        asked = [m["params"] for m in told if m["method"] == "Network.requestWillBeSent"]
        urls = [params["request"]["url"] for params in asked if params["type"] != "Document"]
        return [url for url in urls if not url.startswith(("data:", "blob:"))]


@contextmanager
def browser(config: pytest.Config, downloads: Path) -> Iterator[Tab]:
    """A browser of its own, whose downloads arrive in a folder."""
    chromium, driver_at = require_browser(config)
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = chromium
    for flag in QUIET:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "WARNING", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(driver_at))
    try:
        tab = Tab(driver, downloads)
        allowed = {"behavior": "allow", "downloadPath": str(downloads)}
        tab.command("Browser.setDownloadBehavior", **allowed)
        yield tab
    finally:
        driver.quit()
