"""Only calls of what is imported from us are taken: not everything that looks alike."""

from __future__ import annotations

import pytest

from lattice_addons.hyperparams import HyperParameters
from tests.unit.hyperparams.sources import HEAD

AS_HP = "from lattice_addons.hyperparams.m import _ as hp\n"
OURS = [
    HEAD + '_("x", 1)',
    "from lattice_addons.hyperparams.m import _ as hp\n" + 'hp("x", 1)',
    "from lattice_addons.hyperparams.m import other, _ as hp\nfrom gettext import gettext as _\n_('no')\nhp('x', 1)",
    "from lattice_addons \\\n  .hyperparams.m import (\n    _\n)\n_('x', 1)",
    "def f():\n    from lattice_addons.hyperparams.m import _\n    def g():\n        return _('x', 1)",
    "def f():\n    global _\n    from lattice_addons.hyperparams.m import _\ndef g():\n    return _('x', 1)",
    "def f():\n  def g():\n    nonlocal _\n    from lattice_addons.hyperparams.m import _\n  _ = 1\n  return _('x', 1)",
    "try:\n    from lattice_addons.hyperparams.m import _\nexcept ImportError:\n    def _(n, d): return d\n_('x', 1)",
    HEAD + "def f():\n    for i in range(3):\n        _('x', 1)\ndef g():\n    for _ in range(3): pass",
    HEAD + "class C:\n    _ = 3\n    def f(self):\n        return _('x', 1)",
    HEAD + "[[_ for _ in y] for y in _('x', 1)]",
    HEAD + "[_ for _ in _('x', 1)]",
    HEAD + "def f(_=_('x', 1)): pass",
    HEAD + "lambda _: 1, _('x', 1)",
    HEAD + "@_('x', 1)\nclass _C(_): pass",
    "if True:\n    from lattice_addons.hyperparams.m import _\nx = [_('x', 1) for i in y]",
]
OTHERS = [
    '_("x", 1)',
    "from gettext import gettext as _\n_('x', 1)",
    "from gettext import gettext as _\nfrom lattice_addons.hyperparams.m import hp\n_('x', 1)",
    "from lattice_addons.hyperparams.m import other as _\n_('x', 1)",
    "from .hyperparams.m import _\n_('x', 1)",
    "from lattice_addons.hyperparams import m\nm._('x', 1)",
    "import lattice_addons.hyperparams.m as _\n_('x', 1)",
    HEAD + "obj._('x', 1)\n_.y('x', 1)\n_[0]('x', 1)",
    HEAD + "def f(_):\n    return _('x', 1)",
    HEAD + "def f(*_, **k):\n    return _('x', 1)",
    HEAD + "lambda _: _('x', 1)",
    HEAD + "[_('x', 1) for _ in y]",
    HEAD + "{_('x', 1): 1 for a, _ in y if _('x', 1)}",
    HEAD + "def f():\n    for _ in y:\n        _('x', 1)",
    HEAD + "def f():\n    with y as _:\n        _('x', 1)",
    HEAD + "def f():\n    try: pass\n    except E as _:\n        _('x', 1)",
    AS_HP + "def f():\n    match y:\n        case [1, *hp]:\n            hp('x', 1)",
    AS_HP + "def f():\n    match y:\n        case {'a': 1, **hp}:\n            hp('x', 1)",
    AS_HP + "def f():\n    match y:\n        case 1 | 2 as hp:\n            hp('x', 1)",
    HEAD + "def f():\n    from gettext import gettext as _\n    _('x', 1)",
    HEAD + "def f():\n    def _(*a): pass\n    _('x', 1)",
    HEAD + "def f():\n    class _: pass\n    _('x', 1)",
    HEAD + "def f():\n    [(_ := y) for y in z]\n    _('x', 1)",
    HEAD + "def f():\n    import _\n    _('x', 1)",
    HEAD + "class C:\n    _ = 3\n    x = _('x', 1)",
    "def f():\n    from lattice_addons.hyperparams.m import _\n_('x', 1)",
    "class C:\n    from lattice_addons.hyperparams.m import _\n    def f(self): _('x', 1)",
]


@pytest.mark.parametrize("source", OURS)
def test_what_python_would_call_is_found(hp: HyperParameters, source: str) -> None:
    """The name is looked up as Python does it."""
    hp.parse_source(source)
    assert hp.names() == ["x"]


@pytest.mark.parametrize("source", OTHERS)
def test_what_only_looks_alike_is_not(hp: HyperParameters, source: str) -> None:
    """Whatever else has the name."""
    hp.parse_source(source)
    assert hp.names() == []


@pytest.mark.parametrize("source", OTHERS[:3])
def test_all_calls_of_the_name_are_taken_if_one_says_so(hp: HyperParameters, source: str) -> None:
    """Of the bare name, whatever it is imported from."""
    hp.parse_source(source, take_all=True)
    assert hp.names() == ["x"]
    assert HyperParameters("other").names() == []


def test_managers_share_a_file() -> None:
    """Each takes its own, also where they are called by each other's names."""
    source = "from lattice_addons.hyperparams.m import a as b, b as a\na('of b', 1)\nb('of a', 1)\n"
    for name in ("a", "b"):
        manager = HyperParameters(name)
        manager.parse_source(source)
        assert manager.names() == [f"of {name}"]
