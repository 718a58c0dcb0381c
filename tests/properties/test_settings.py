"""Properties of the settings, for any text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lattice_addons import _environ
from lattice_addons.errors import SettingsError
from lattice_addons.settings import VARIABLES, Settings

KEYS = ["root", "job_id", "keep", "grace", "signals", "trust", "opt.x", "type", "memory", "restore", "linger"]
KEYS += ["periodic_saving_interval", "periodic_saving_overhead"]
names = st.from_regex(r"[a-z_.]{1,12}", fullmatch=True)
texts = st.text(st.characters(exclude_characters="\0"))


def quoted(text: str, quote: str) -> str:
    """Quote a value, as the documentation says to."""
    return quote + text.replace(quote, quote * 2) + quote


@given(st.dictionaries(names, st.tuples(texts, st.sampled_from("'\""))))
def test_quoted_values_come_back(values: dict[str, tuple[str, str]]) -> None:
    """Whatever is quoted is read as it was."""
    text = ",".join(f"{key} = {quoted(value, quote)} " for key, (value, quote) in values.items())
    assert dict(_environ.entries(text)) == {key: value for key, (value, _) in values.items()}


@given(st.dictionaries(st.sampled_from(sorted(VARIABLES)), texts))
def test_any_text_is_settings_or_a_settings_error(environ: dict[str, str]) -> None:
    """No text of any variable ends in another error, and each error says its variable."""
    refused = None
    try:
        Settings.from_environ(environ)
    except SettingsError as error:
        refused = error.variable
    assert refused is None or refused in environ


@given(
    st.lists(
        st.tuples(
            st.sampled_from(KEYS),
            texts,
        )
    )
)
def test_any_value_of_a_key_is_settings_or_a_settings_error(entries: list[tuple[str, str]]) -> None:
    """A known key with any value is either taken or refused with the right words."""
    text = ",".join(f"{key}={value}" for key, value in entries)
    refused = None
    try:
        Settings.from_environ({"LATTICE_CHECKPOINT_CONFIG": text})
    except SettingsError as error:
        refused = error.variable
    assert refused in (None, "LATTICE_CHECKPOINT_CONFIG")


@given(st.text())
def test_accepted_job_ids_stay_in_the_root(job_id: str) -> None:
    """A job id that is accepted is one plain folder name."""
    try:
        accepted = Settings(job_id=job_id).job_id
    except SettingsError:
        return
    assert accepted == job_id
    assert "/" not in job_id
    assert job_id not in (".", "..")
    assert 0 < len(job_id.encode()) <= 200
