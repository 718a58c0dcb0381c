"""A running service keeps to what its own description says, whatever it is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from blake3 import blake3
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

schemathesis = pytest.importorskip("schemathesis", reason="not installed: schemathesis")
pytest.importorskip("uvicorn", reason="needs the extra `service`")

if TYPE_CHECKING:
    from schemathesis import GenerationMode

    from tests.integration.services import Server

EXAMPLES = 16
KEYS = ["x", "rank-00000/lease.json", "rank-00000/checkpoints/000000000001.json"]
ALWAYS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "missing_required_header",
)
# No schema can say that a name or a digest is right, so what fits it may be refused; what does not fit it must be.
WRONG = ("negative_data_rejection",)
# These ask once more each time, and it is the same whatever was asked before.
ONCE = ("unsupported_method", "allow_header_conformance", "ignored_auth")

CHECKS = pytest.importorskip("schemathesis.checks").CHECKS
load_all_checks = pytest.importorskip("schemathesis.checks").load_all_checks


def mended(case: Any, key: str) -> None:
    """Let a request be about one of few objects, and say of its bytes what is so, as far as it says anything."""
    for name, value in (("job", "fuzzed"), ("key", key if "{job}" in case.path else "loose")):
        if name in (case.path_parameters or {}):
            case.path_parameters[name] = value
    for condition in ("If-Match", "If-None-Match"):
        case.headers.pop(condition, None)
    data = getattr(case.body, "data", case.body)
    if case.method == "PUT" and isinstance(data, bytes):
        case.headers["Lattice-Digest"] = f"blake3={blake3(data).hexdigest()}"


def test_it_is_as_it_says(server: Server) -> None:
    """Every answer has a status, a type and a form that the description names; none is a fault of the service."""
    load_all_checks()
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/openapi.json")
    seen: dict[str, set[int]] = {}
    # First something is stored, that there is something to read.
    operations = sorted(
        (found.ok() for found in schema.get_all_operations()), key=lambda each: each.method != "put"
    )
    for operation in operations:
        statuses = seen[f"{operation.method} {operation.path}"] = set()
        fuzz(operation, schemathesis.GenerationMode.POSITIVE, statuses)
        # Of a path alone there is nothing that no schema would have.
        if operation.method in ("put", "post"):
            fuzz(operation, schemathesis.GenerationMode.NEGATIVE, statuses)

    # Else nothing but names that are none would have been tried.
    objects = "/v1/jobs/{job}/objects/{key}"
    assert {201, 400, 422} <= seen[f"put {objects}"]
    assert {200, 404} <= seen[f"get {objects}"]
    assert 204 in seen[f"delete {objects}"]
    assert "Traceback" not in server.log
    outside = [
        path for path in server.path.parent.iterdir() if path.name not in (server.path.name, "served.log")
    ]
    assert outside == []
    assert list(server.path.rglob("*.tmp")) == []


def fuzz(operation: Any, mode: GenerationMode, statuses: set[int]) -> None:
    """Ask for one operation, rightly or wrongly, again and again."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=operation.as_strategy(generation_mode=mode), mend=st.booleans(), key=st.sampled_from(KEYS))
    def ask(case: Any, mend: bool, key: str) -> None:
        if mend:
            mended(case, key)
        answer = case.call(timeout=60)
        checks = ALWAYS + (() if statuses else ONCE)
        statuses.add(answer.status_code)
        if not mend and answer.status_code != 413:
            checks += WRONG
        case.validate_response(answer, checks=CHECKS.get_by_names(checks))

    ask()
