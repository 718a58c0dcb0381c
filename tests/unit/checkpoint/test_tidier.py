"""The thread that tidies up ends when nobody wants it, and only then."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

from lattice_addons.checkpoint._tidy import _Run
from tests.unit.checkpoint.lines import line_of, save
from tests.unit.checkpoint.test_tidy import eventually

if TYPE_CHECKING:
    from lattice_addons.storage import Store


def test_who_is_wanted_while_the_thread_ends_is_not_forgotten(store: Store) -> None:
    """It has waited long enough, and then a turn is wanted before it is gone."""
    line = line_of(store, keep=1)
    for n in range(3):
        save(line, n=(n, n))

    class Late(threading.Event):
        """Is told too late."""

        late = True

        def wait(self, timeout: float | None = None) -> bool:
            """Wait in vain once, and be set after that."""
            if not self.late:
                return super().wait(0.1 if timeout is None else min(timeout, 0.1))
            self.late = False
            line.tidier.soon()
            return False

    woken = Late()
    run = _Run(weakref.ref(line.tidier), woken, threading.Event())
    thread = threading.Thread(target=run)
    line.tidier._thread, line.tidier._woken = thread, woken
    thread.start()
    thread.join()
    assert line.numbers() == [3]
    # The next one needs another thread.
    save(line, n=(4, 4))
    line.tidier.soon()
    assert eventually(lambda: line.numbers() == [4])
    line.release()
