"""Holds the newest versions of pinned packages against PyPI's advisories: ``python docs/advisories.py newest.txt``."""

from __future__ import annotations

import json
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

PINNED = re.compile(r"^([\w.-]+)(?:\[.*\])?==([^\s;]+)", re.MULTILINE)


def look(index: str, name: str) -> tuple[str, list[str]]:
    """Give a package's newest version, and what is published against it."""
    with urlopen(f"{index}/pypi/{name}/json", timeout=60) as answer:  # noqa: S310 - the address is the caller's own
        page = json.load(answer)
    return page["info"]["version"], [each["id"] for each in page["vulnerabilities"] if not each["withdrawn"]]


def main(requirements: str, index: str = "https://pypi.org") -> int:
    """Look at every package of a file; say what was found, and what was not looked at."""
    pinned = PINNED.findall(Path(requirements).read_text(encoding="utf-8"))
    with ThreadPoolExecutor(8) as pool:
        looked = list(pool.map(lambda each: look(index, each[0]), pinned))
    for (name, version), (newest, found) in zip(pinned, looked, strict=True):
        if version != newest:
            print(f"{name} {version} was not looked at, but {newest}")
        if found:
            print(f"{name} {newest}: {', '.join(found)}")
    bad = sum(bool(found) for _, found in looked)
    print(f"{len(pinned)} packages, {bad} with advisories")
    return 1 if bad or not pinned else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
