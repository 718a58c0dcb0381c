"""What the documentation shows for running a service is what systemd, containers and clusters can run."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest

from lattice_addons.cli._main import build_parser
from tests.docs.pages import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.services import Server

FILES = ROOT / "docs" / "howto" / "service"


def options(words: list[str]) -> Any:
    """Read a command line as the command does."""
    assert words[:2] == ["lattice", "serve"], words
    return build_parser().parse_args(words[1:])


def test_the_unit(tmp_path: Path) -> None:
    """Its command line is one of ours, it waits for the drain, and systemd finds nothing wrong."""
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    unit.read(FILES / "lattice.service", encoding="utf-8")
    service = unit["Service"]
    _, *rest = shlex.split(service["ExecStart"])
    asked = options(["lattice", *rest])
    assert asked.drain < int(service["TimeoutStopSec"])
    assert asked.root.startswith(f"/var/lib/{service['StateDirectory']}/")
    assert asked.require_tokens, "behind a proxy everybody comes from this machine"
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed: the unit's command was read, systemd was not asked")
    text = (FILES / "lattice.service").read_text(encoding="utf-8")
    copy = tmp_path / "lattice.service"
    copy.write_text(text.replace("/usr/bin/lattice", sys.executable), encoding="utf-8")
    said = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False
    )
    assert "lattice.service" not in said.stderr, said.stderr


def test_the_container() -> None:
    """Its command line is one of ours, listens where it can be reached, and no shell keeps signals from it."""
    text = (FILES / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = dict(re.findall(r"^(ENTRYPOINT|CMD|EXPOSE|VOLUME|USER|HEALTHCHECK) (.+)$", text, re.MULTILINE))
    asked = options([*json.loads(lines["ENTRYPOINT"]), *json.loads(lines["CMD"])])
    assert (asked.host, asked.port) == ("0.0.0.0", int(lines["EXPOSE"]))  # noqa: S104 - what a container listens at
    assert asked.root.startswith(lines["VOLUME"])
    assert f":{asked.port}/healthz" in lines["HEALTHCHECK"]
    # What it is started as is there, is not root, and may write to the volume, and to nothing else.
    number, user = re.findall(r"useradd --uid (\d+) --create-home (\w+)", text)[0]
    assert (lines["USER"], int(number) > 0) == (user, True)
    assert re.search(rf"install -d -o {user} -m 0700 {re.escape(lines['VOLUME'])}$", text, re.MULTILINE)
    assert [line.split(" ")[0] for line in text.splitlines() if line[:1].isupper()] == [
        "FROM", "RUN", "RUN", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD",
    ]  # fmt: skip


def test_the_container_is_asked_how_it_is(server: Server) -> None:
    """Its own check says that a service is well, and that one that has gone is not."""
    text = (FILES / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    command = json.loads(re.findall(r"^HEALTHCHECK .* CMD (\[.+\])$", text, re.MULTILINE)[0])
    assert command[0] == "python"
    # It gives up before its engine would; here it waits as long as a busy machine takes.
    assert "timeout=4)" in command[-1]
    assert "--timeout=5s" in text
    here = command[-1].replace(":5555/", f":{server.port}/").replace("timeout=4)", "timeout=100)")
    asked = [sys.executable, *command[1:-1], here]
    assert subprocess.run(asked, capture_output=True, check=False, timeout=150).returncode == 0
    server.kill()
    assert subprocess.run(asked, capture_output=True, check=False, timeout=150).returncode != 0


def test_the_cluster() -> None:
    """What is asked of the pod is there: ports, paths, volumes; and it has the time that its drain takes."""
    from ruamel.yaml import YAML

    service, pods = YAML(typ="safe").load_all(FILES / "kubernetes.yaml")
    spec = pods["spec"]["template"]["spec"]
    [first], [container] = spec["initContainers"], spec["containers"]
    asked = options(["lattice", "serve", *container["args"]])
    assert asked.drain < spec["terminationGracePeriodSeconds"]
    [port] = container["ports"]
    assert port["containerPort"] == asked.port == service["spec"]["ports"][0]["port"]
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    labels = pods["spec"]["template"]["metadata"]["labels"]
    assert "annotations" not in pods["spec"]["template"]["metadata"], "who scrapes by them shows no token"
    assert service["spec"]["selector"] == pods["spec"]["selector"]["matchLabels"] == labels
    for probe in ("readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": port["name"]}
    claims = [claim["metadata"]["name"] for claim in pods["spec"]["volumeClaimTemplates"]]
    there = {*claims, *(volume["name"] for volume in spec["volumes"])}
    mounts = {mount["name"] for mount in chain(container["volumeMounts"], first["volumeMounts"])}
    assert mounts <= there
    assert f"--root {asked.root}" in first["args"][0]
    # One image, whose user may write to the volume; nothing else can be written but what is mounted.
    assert first["image"] == container["image"]
    user = re.findall(r"useradd --uid (\d+)", (FILES / "Dockerfile").read_text(encoding="utf-8"))[0]
    assert {spec["securityContext"][name] for name in ("runAsUser", "runAsGroup", "fsGroup")} == {int(user)}
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}  # noqa: S108 - the pod's own


def test_the_first_token_is_made_once(tmp_path: Path) -> None:
    """What the pod runs before the service makes a token where there is none, and no second one."""
    pytest.importorskip("starlette", reason="the service is of the extra `service`")
    from ruamel.yaml import YAML

    _, pods = YAML(typ="safe").load_all(FILES / "kubernetes.yaml")
    [first] = pods["spec"]["template"]["spec"]["initContainers"]
    script = first["args"][0].replace("/srv/lattice/store", str(tmp_path / "store"))
    script = script.replace("lattice token", f"{shlex.quote(sys.executable)} -m lattice_addons.cli token")
    said = [
        subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True) for _ in range(2)
    ]
    assert re.search("lattice-[0-9a-f]{12}-[0-9a-f]{64}", said[0].stdout)
    assert said[1].stdout == ""
