"""Takes the documentation's pictures of the dashboard, of real jobs: ``python docs/make_screenshots.py``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect, sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HERE = Path(__file__).resolve().parent
PICTURES = HERE / "_static"
LARGEST = 150_000
JOBS = [
    # name, epochs, seconds between them, how it ends
    ("ablation-no-dropout", 12, 0.02, "exit"),
    ("ablation-small-batch", 12, 0.02, "exit"),
    ("nightly-evaluation", 6, 0.02, "exit"),
    ("resnet50", 14, 0.05, "exit"),
    ("resnet50", 16, 0.05, "exit"),
    ("bert-finetune", 18, 0.02, "raise"),
    ("resnet50", 10_000, 0.8, "go on"),
    ("speech-encoder", 10_000, 0.5, "go on"),
    ("vision-sweep-17", 10_000, 0.4, "be killed"),
]
SWEEP = """
import math
import time

from lattice_addons.experiments import Experiment, search


class Pretrain(Experiment):
    objective = "loss"
    lr: float = search(1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
    width: int = search(128, 256, 512)
    optimizer: str = search("adamw", "lion", "sgd")

    def run(self) -> dict[str, float]:
        if self.lr == 1e-2 and self.width == 512:
            time.sleep(1000 if self.optimizer == "sgd" else 0)
            raise FloatingPointError("loss is nan")
        away = math.log10(self.lr) + 3.2 + (self.optimizer == "sgd") * -0.6
        loss = 1.9 + away**2 * 0.3 - math.log2(self.width / 128) * 0.12
        return {"loss": round(loss, 4), "accuracy": round(1 / loss, 4)}
"""
TRAIN = """
import math
import random
import sys
import time

from lattice_addons import Settings, StateManagerGroup
from lattice_addons.hyperparams.m import _

job, epochs, pause, end = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
lr = _("optimizer.lr", 0.1, min=0.0)
momentum = _("optimizer.momentum", 0.9)
batch = _("batch_size", 64)

group = StateManagerGroup(Settings(root="store", job_id=job, keep=500))
for name in ("epoch", "loss", "metrics", "history", "weights"):
    group.register(name)
first = group.get("epoch") or 0
rng = random.Random(job)
weights = bytearray(rng.randbytes(300_000))
losses = []
for epoch in range(first, first + epochs):
    losses.append(2.2 * math.exp(-epoch / 18) + 0.2 + rng.random() * 0.06)
    weights[: 2000 + epoch * 200] = rng.randbytes(2000 + epoch * 200)
    group.update("epoch", epoch + 1)
    group.update("loss", losses[-1])
    group.update("metrics", {"accuracy": 1 - losses[-1] / 3, "learning_rate": lr * 0.97**epoch})
    group.update("history", [round(each, 3) for each in losses[-8:]])
    group.update("weights", bytes(weights))
    group.save()
    time.sleep(pause)
if end == "raise":
    raise RuntimeError("CUDA out of memory")
"""


def fill(folder: Path) -> list[subprocess.Popen[bytes]]:
    """Run programs that end in several ways; give those that go on."""
    (folder / "train.py").write_text(TRAIN, encoding="utf-8")
    going_on = []
    for name, epochs, pause, end in JOBS:
        command = [sys.executable, "train.py", name, str(epochs), str(pause), end]
        process = subprocess.Popen(command, cwd=folder, env=environ(), stderr=subprocess.DEVNULL)
        if end in ("exit", "raise"):
            if process.wait() != (end == "raise"):
                raise SystemExit(f"the job {name} ended with status {process.returncode}")
        elif end == "go on":
            going_on.append(process)
        else:
            time.sleep(3)
            process.kill()
            process.wait()
    return going_on


def sweep(folder: Path) -> subprocess.Popen[bytes]:
    """Run an experiment, of which one setting goes on."""
    (folder / "vision.py").write_text(SWEEP, encoding="utf-8")
    command = [sys.executable, "-m", "lattice_addons.cli", "experiment", "vision.Pretrain", "--root", "store"]
    return subprocess.Popen(
        [*command, "--num-proc", "2"],
        cwd=folder,
        env=environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def environ() -> dict[str, str]:
    """Give this environment without settings of the reader's own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LATTICE_")} | {
        "PYTHONPATH": str(HERE.parent)
    }


def take(browser: Browser, address: str, name: str, press: str = "", **context: Any) -> None:  # noqa: ANN401
    """Take one picture, perhaps of what a button leads to, small enough to be kept with the source."""
    # Past the pages' policy, which would refuse the style that the picture is taken with.
    made = browser.new_context(reduced_motion="reduce", bypass_csp=True, **context)
    page = made.new_page()
    page.goto(address)
    if press:
        page.get_by_role("button", name=press).click()
    if page.locator("#live").count():
        page.locator("#live").filter(has_text="live").wait_for()
    # At first each job is read in short, and its trend comes a moment later.
    expect(page.locator(".jobs [data-label=Trend] .none")).to_have_count(0, timeout=30_000)
    path = PICTURES / f"dashboard-{name}.png"
    # A tree of the source has a version of its own, which says nothing to who reads the documentation.
    page.screenshot(path=path, style="footer { visibility: hidden }")
    made.close()
    size = path.stat().st_size
    print(f"{path.relative_to(HERE.parent)}: {size // 1000} kB")
    if size > LARGEST:
        raise SystemExit(f"{path} has {size} bytes: a smaller part of the page will do")


def main() -> None:
    """Fill a store, serve it, look at it."""
    # The name of the store is in the pictures.
    with tempfile.TemporaryDirectory() as folder:
        running = [*fill(Path(folder)), sweep(Path(folder))]
        command = [sys.executable, "-m", "lattice_addons.cli", "ui", "--root", "store"]
        served = subprocess.Popen(command, cwd=folder, env=environ(), stdout=subprocess.PIPE, text=True)
        try:
            assert served.stdout is not None  # noqa: S101 - a pipe was asked for
            address = served.stdout.readline().split()[2]
            time.sleep(8)
            with sync_playwright() as playwright:
                chromium = shutil.which("chromium")
                browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                wide = {"width": 1200, "height": 780}
                take(browser, address, "jobs", viewport=wide)
                take(browser, f"{address}/jobs/resnet50", "job", viewport={"width": 1200, "height": 980})
                take(browser, f"{address}/jobs/resnet50", "dark", viewport=wide, color_scheme="dark")
                take(browser, address, "phone", viewport={"width": 390, "height": 780}, is_mobile=True)
                there = f"{address}/jobs/nightly-evaluation/checkpoints/4"
                take(browser, there, "ask", "Roll back", viewport={"width": 1200, "height": 560})
                there = f"{address}/experiments/vision/Pretrain"
                take(browser, there, "experiment", viewport={"width": 1200, "height": 1040})
                browser.close()
        finally:
            served.terminate()
            served.wait()
            for process in running:
                process.terminate()
                process.wait()


if __name__ == "__main__":
    main()
