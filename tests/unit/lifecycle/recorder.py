"""A saver that only says what it is asked for, in programs that really are signalled and really end."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from tests.program import Program

if TYPE_CHECKING:
    from pathlib import Path

RECORDER = '''
import os, signal, sys, threading, time
from lattice_addons.lifecycle import Gate, attach, passive_reason
from lattice_addons.settings import Settings

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

class Recorder:
    """Has two values that are equal whenever a snapshot may be taken."""

    def __init__(self, **settings):
        self.settings = Settings(**settings)
        self.gate = Gate()
        self.a = self.b = 0
        self.saves = []

    def ready(self):
        return True

    def save_now(self, reason, notes=()):
        with self.gate:
            self.saves.append((reason, self.a - self.b))
            say("save", reason, *notes)

    def refused(self, reason, error):
        say("refused", reason)

    def begin_save(self, reason, notes=()):
        with self.gate:
            torn = self.a - self.b
            thread = threading.current_thread().name
        return lambda: say("wrote", thread, torn, *notes)
'''


def recording(folder: Path, source: str) -> Program:
    """Make a program that has the class Recorder."""
    return Program(folder, RECORDER + textwrap.dedent(source))
