"""Names with which somebody tries to leave a job, in the ways that have worked against other services."""

from __future__ import annotations

LEADER, FULL_STOP, SOLIDUS, DIVISION = (
    "\u2024",
    "\uff0e",
    "\uff0f",
    "\u2215",
)  # look like, or normalise to, . . / /

JOBS = [
    *(
        "",
        ".",
        "..",
        ".service",
        ".SERVICE",
        "a/b",
        "a\\b",
        "a\0",
        "%2e%2e",
        "%252e%252e",
        "%5c",
        "a\n",
        " a",
    ),
    *(LEADER * 2, FULL_STOP * 2, f"a{SOLIDUS}b", "a\ufffd", "a\udc80", "x" * 300, "\u202e.."),
]

KEYS = [
    *(
        "",
        "..",
        "../b/x",
        "x/../../b",
        "x//y",
        "/x",
        "x/",
        "./x",
        "x/.",
        "x/ ../y",
        "x/.. /y",
        "..\\b",
        "x\\..\\..\\b",
    ),
    *(
        "%2e%2e/b",
        "x/%2E%2e/y",
        "%252e%252e/b",
        "%25252e%25252e/b",
        "..%2f..%2fb",
        "x/%c0%ae%c0%ae/y%2f",
        "x/%5c..",
    ),
    *(f"{LEADER * 2}/b", f"x/{FULL_STOP * 2}/y", f"x{SOLIDUS}..{SOLIDUS}y", f"{FULL_STOP * 2}{SOLIDUS}b"),
    *(
        "x/\0",
        "x/\u2028",
        "x\u200b",
        "\udcc0\udcae",
        "\ufffd\ufffd/b",
        "x" * 256,
        "x/" * 600 + "x",
        "x/" * 32 + "x",
    ),
    "01ARZ3NDEKTSV4RRFFQ69G5FAV.tmp",
]

#: Of these characters Hypothesis makes more.
ALPHABET = "ab./\\%25cCfF\0 \u202e\ufffd\u00e9\u0301" + LEADER + FULL_STOP + SOLIDUS + DIVISION
