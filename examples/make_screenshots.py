"""Make the picture of the playground's page: ``python examples/make_screenshots.py docs/images``; it needs Chromium."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from das3d_aug.generation import write_demo_set

# Root needs --no-sandbox; without a graphics card, WebGL is computed.
FLAGS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
COMMAND = [sys.executable, "-m", "das3d_cli.aug", "playground", "parts", "--beside", "parts", "--out", "recipe.toml"]


def playground(page: Page, out: Path, *, samples: str, per_defect: int) -> None:
    """Picture the page with parts of the demo set, when it has drawn a few samples."""
    with tempfile.TemporaryDirectory() as folder:
        parts = Path(folder, "parts")
        write_demo_set(parts, families=("biscuit",), train=2, validation=0, good=0, per_defect=per_defect)
        with subprocess.Popen(COMMAND, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                page.goto(process.stdout.readline().strip())
                page.locator("body[data-drawn]").wait_for()
                page.select_option("#count", samples)
                page.locator("#progress[value='1']").wait_for()
                page.locator("#seed").fill("11")
                page.locator("#command", has_text="--seed 11").wait_for()
                page.locator("h1").click()  # the field has no caret any more
                page.screenshot(path=out / "playground.jpg", type="jpeg", quality=80, full_page=True)
            finally:
                process.send_signal(signal.SIGINT)


def main(out: Path, *, samples: str = "200", per_defect: int = 4) -> None:
    """Write the pictures."""
    with (
        sync_playwright() as driver,
        driver.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS) as browser,
    ):
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(120_000)  # milliseconds
        playground(page, out, samples=samples, per_defect=per_defect)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
