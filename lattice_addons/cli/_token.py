"""``lattice token``: makes, lists and takes away what opens the jobs of a service."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lattice_addons._host import user_name
from lattice_addons.service import Tokens, open_root
from lattice_addons.settings import Settings

from ._audit import audit_of
from ._output import print_json, print_table

if TYPE_CHECKING:
    import argparse

    from lattice_addons.service import Audit, Token


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    make = actions.add_parser("create", help="make a token, and print it: once, for only its digest is kept")
    make.add_argument("prefix", metavar="PREFIX", help="how the names of its jobs begin; '*' for all jobs")
    make.add_argument("--rights", choices=("read", "write", "admin"), required=True, help="what it allows")
    make.add_argument("--exact", action="store_true", help="PREFIX is the whole name of its only job")
    make.add_argument("--days", type=float, metavar="N", help="for how long it is good (default: for ever)")
    show = actions.add_parser("list", help="list the tokens that there are, and when each was last used")
    drop = actions.add_parser("revoke", help="take tokens away: a running service refuses them at once")
    drop.add_argument("ids", metavar="ID", nargs="+", help="which (`lattice token list` shows the ids)")
    for action in (make, show, drop):
        # Not what other commands take: here the default is what `lattice serve` serves.
        action.add_argument("--root", metavar="STORE", help="the store, as `lattice serve` has it")
        if action is not show:
            action.add_argument(
                "--audit", metavar="FILE", help="the audit log, as `lattice serve` has it, or 'none'"
            )
        action.add_argument("--json", action="store_true", help="answer in JSON, for programs")


def run(options: argparse.Namespace) -> int:
    """Run the command; give its exit status."""
    settings = Settings.from_environ()
    tokens = _tokens(options, settings)
    if options.action == "list":
        _list(tokens, as_json=options.json)
        return 0
    # Opened first: nothing is done of which nobody would know.
    audit = audit_of(options.audit, tokens.store, settings)
    if options.action == "create":
        _create(tokens, options, audit)
    else:
        _revoke(tokens, options, audit)
    return 0


def _note(audit: Audit | None, act: str, token: Token) -> None:
    """Write down which user of this machine did it."""
    if audit is not None:
        rights = {name: token.told()[name] for name in ("prefix", "exact", "rights")}
        audit.note(f"user {user_name()}", act, None, token=token.id, **rights, address="local")


def _tokens(options: argparse.Namespace, settings: Settings) -> Tokens:
    return Tokens(open_root(options.root or settings.root, settings.options))


def _create(tokens: Tokens, options: argparse.Namespace, audit: Audit | None) -> None:
    token, shown = tokens.create(options.prefix, options.rights, exact=options.exact, days=options.days)
    _note(audit, "token create", token)
    if options.json:
        print_json(token.told() | {"token": shown})
        return
    sys.stderr.write(
        f"token {token.id}: {_opens(token.told())}; it is not shown again: "
        "give it to the program as LATTICE_CHECKPOINT_TOKEN\n"
    )
    # Alone on stdout, for `TOKEN=$(lattice token create …)`.
    sys.stdout.write(f"{shown}\n")


def _revoke(tokens: Tokens, options: argparse.Namespace, audit: Audit | None) -> None:
    gone = []
    for name in options.ids:
        gone.append(tokens.revoke(name))
        # At once: the next id may be none, which ends it.
        _note(audit, "token revoke", gone[-1])
        if not options.json:
            sys.stdout.write(
                f"token {gone[-1].id} opens nothing any more (it was: {_opens(gone[-1].told())})\n"
            )
    if options.json:
        print_json([token.told() for token in gone])


def _list(tokens: Tokens, *, as_json: bool) -> None:
    known = tokens.list()
    used = tokens.last_used()
    rows = [token.told() | {"used": used.get(token.id)} for token in known]
    if as_json:
        print_json(rows)
        return
    table = [
        {"id": row["id"], "opens": _opens(row)} | {name: row[name] for name in ("created", "expires", "used")}
        for row in rows
    ]
    print_table(
        f"{tokens.store.url}: tokens", table, empty=": none (`lattice token create PREFIX --rights write`)"
    )


def _opens(told: dict[str, object]) -> str:
    """Say in words what a token opens."""
    if told["exact"]:
        return f"{told['rights']} job {told['prefix']}"
    return f"{told['rights']} " + (f"jobs {told['prefix']}*" if told["prefix"] else "all jobs")
