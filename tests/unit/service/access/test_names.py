"""What a request calls a job or an object is that and nothing else."""

from __future__ import annotations

import os
import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lattice_addons.errors import StoreError
from lattice_addons.service.access._names import check_folder, check_job, check_key, check_store_key
from tests import escapes


@pytest.mark.parametrize("job", escapes.JOBS)
def test_no_job_is_called_so(job: str) -> None:
    """What leads elsewhere, is the service's own, or looks like something else names no job."""
    with pytest.raises(StoreError):
        check_job(job)


@pytest.mark.parametrize("key", escapes.KEYS)
def test_no_key_leaves_its_job(key: str) -> None:
    """Neither as it is written, nor when somebody decodes or normalises it once more."""
    with pytest.raises(StoreError):
        check_key("a", key)


@pytest.mark.parametrize(
    "key", [".service/tokens/x.json", ".service", f"{escapes.FULL_STOP}service/x", "../x", ""]
)
def test_what_is_the_services_own(key: str) -> None:
    """The tokens are no object of the store, whatever right somebody has."""
    with pytest.raises(StoreError):
        check_store_key(key)


@pytest.mark.parametrize(
    "job", ["train", "\u00dcber-Lauf", "a.b", "a b", "\u5b9e\u9a8c", "run=1,lr=0.1", "100%", "x.y."]
)
def test_names_that_programs_have(job: str) -> None:
    """What a program's job can be called, it can be called here; so its keys."""
    assert check_job(job) == job
    assert check_key(job, "rank-00000/lease.json") == f"{job}/rank-00000/lease.json"
    assert check_folder(job, "") == f"{job}/"
    assert check_folder(job, "rank-00000/") == check_folder(job, "rank-00000") == f"{job}/rank-00000/"


@given(st.text(alphabet=st.sampled_from(escapes.ALPHABET), max_size=24))
@example("a%2f..%2f..%2fb")
def test_any_key_is_below_its_job_or_refused(key: str) -> None:
    """Whatever is asked for, what anybody makes of it lies in the job."""
    try:
        checked = check_key("job", key)
    except StoreError:
        return
    for read in (
        checked,
        unquote(checked),
        unquote(unquote(checked)),
        unicodedata.normalize("NFKC", unquote(checked)),
    ):
        assert os.path.normpath(read.replace("\\", "/")).startswith("job/")
    assert checked == f"job/{key}"
