"""Every error we raise, drawn as one tree.

::

    LatticeError                       exit code  what went wrong
    ├── HyperStateError                       64  a typed config or state cannot be used as it is
    │   ├── ConfigError                       65  values that do not fit their fields: all of them at once
    │   ├── NoConfigError                     66  a config file that does not exist, or cannot be read or written
    │   ├── OverrideError                     64  an override that names no field, or cannot be read
    │   ├── RonError                          65  a text that is not RON
    │   ├── ScheduleError                     65  a schedule that cannot be read, or has no value
    │   └── SchemaError                       65  a file of another version, and no rule leads to the code's
    ├── ExperimentError                       64  an experiment is declared or used wrongly
    │   ├── ExperimentNotFoundError           66  no experiment of that name
    │   ├── SettingError                      65  a field, or what is searched for it, cannot be as it is
    │   ├── UnstorableResultError             65  a run returned something that is no row of a table
    │   ├── ExperimentBusyError               75  another live program runs this experiment
    │   ├── RunFailedError                    70  runs of an experiment failed
    │   ├── ExecutorError                     68  what should run the settings does not answer
    │   ├── ExperimentChangedError            65  results of another version of an experiment, with other fields
    │   └── MissingExtraError                 69  what was asked for needs a package that is not installed
    ├── HyperParameterError                   64  a hyper-parameter is declared or used wrongly
    │   ├── UnknownHyperParameterError        66  no hyper-parameter of that name, or it has no value
    │   ├── HyperParameterValueError          65  a value of the wrong type, or against a hint
    │   ├── DeclarationError                  65  source in which one is declared wrongly
    │   │   └── DuplicateDeclarationError     65  one name declared at two places
    │   ├── SourceError                       65  source that is not Python, or in another encoding
    │   ├── NoSourceError                     66  a path to source that does not exist
    │   └── HyperParametersChangedError       65  other values than those of the checkpoint
    ├── RanksError                            64  the ranks of a job, or its saves, cannot be fitted together
    │   ├── RanksChangedError                 64  another number of ranks stored a slot, and there is no rule for it
    │   └── StepOrderError                    64  a save named after a step that is not larger than the last
    ├── SlotError                             64  a slot is named or used wrongly
    │   ├── UnknownSlotError                  66  no slot of that name
    │   ├── DuplicateSlotError                64  the name is taken
    │   ├── SlotNameError                     64  a name that no slot can have
    │   └── NotAManagerError                  64  something that is no manager class
    ├── StoreError                            74  the store cannot be read or written
    │   ├── NotInStoreError                   66  a key, job or checkpoint that is not in the store
    │   ├── UnreachableError                  68  a remote store does not answer
    │   │   └── TooManyRequestsError          75  the service takes no more requests from here for now
    │   ├── NoAccessError                     77  a remote store does not let us in
    │   ├── LeaseHeldError                    75  another live process writes this job
    │   ├── OverQuotaError                    73  a job has no room left of what the service gives it
    │   └── TooLargeError                     73  more in one piece than the service takes
    ├── UnkeepableError                       65  a value that cannot be kept or given back
    │   ├── EncodeError                       65  a value that cannot be turned into bytes
    │   ├── DecodeError                       65  bytes that cannot be turned back into the value
    │   │   └── StateMismatchError            65  a stored state that does not fit the object it is for
    │   ├── NoWeakReferenceError              65  a type that cannot be weakly referenced
    │   ├── UnknownVariableError              65  a variable that cannot be told for certain
    │   ├── FileStateError                    65  an open file that cannot be kept or given back
    │   └── SequenceChangedError              65  a resumed loop over another sequence than the stored one
    ├── SettingsError                         64  a LATTICE_* variable or a setting says what cannot be
    ├── CheckpointError                       65  a checkpoint cannot be used
    │   ├── DamagedError                      65  bytes that are not those that were written
    │   ├── FormatError                       69  written by a newer Lattice
    │   ├── UntrustedError                    77  unsigned, altered, or pickle where none is allowed
    │   └── WrongKeyError                     77  encrypted, and the key is another one or not there
    ├── NotSavedError                         73  slots that kept their last good value in a save
    └── UnsupportedError                      69  something that this system or interpreter cannot do
"""

from __future__ import annotations

from lattice_addons._config_errors import (
    ConfigError,
    HyperStateError,
    NoConfigError,
    OverrideError,
    RonError,
    ScheduleError,
    SchemaError,
)
from lattice_addons._error import LatticeError
from lattice_addons._experiment_errors import (
    ExecutorError,
    ExperimentBusyError,
    ExperimentChangedError,
    ExperimentError,
    ExperimentNotFoundError,
    MissingExtraError,
    RunFailedError,
    SettingError,
    UnstorableResultError,
)
from lattice_addons._hyper_errors import (
    DeclarationError,
    DuplicateDeclarationError,
    HyperParameterError,
    HyperParametersChangedError,
    HyperParameterValueError,
    NoSourceError,
    SourceError,
    UnknownHyperParameterError,
)
from lattice_addons._rank_errors import RanksChangedError, RanksError, StepOrderError
from lattice_addons._slot_errors import (
    DuplicateSlotError,
    NotAManagerError,
    SlotError,
    SlotNameError,
    UnknownSlotError,
)
from lattice_addons._store_errors import (
    LeaseHeldError,
    NoAccessError,
    NotInStoreError,
    OverQuotaError,
    StoreError,
    TooLargeError,
    TooManyRequestsError,
    UnreachableError,
)
from lattice_addons._value_errors import (
    DecodeError,
    EncodeError,
    FileStateError,
    NoWeakReferenceError,
    SequenceChangedError,
    StateMismatchError,
    UnkeepableError,
    UnknownVariableError,
)

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DamagedError",
    "DeclarationError",
    "DecodeError",
    "DuplicateDeclarationError",
    "DuplicateSlotError",
    "EncodeError",
    "ExecutorError",
    "ExperimentBusyError",
    "ExperimentChangedError",
    "ExperimentError",
    "ExperimentNotFoundError",
    "FileStateError",
    "FormatError",
    "HyperParameterError",
    "HyperParameterValueError",
    "HyperParametersChangedError",
    "HyperStateError",
    "LatticeError",
    "LeaseHeldError",
    "MissingExtraError",
    "NoAccessError",
    "NoConfigError",
    "NoSourceError",
    "NoWeakReferenceError",
    "NotAManagerError",
    "NotInStoreError",
    "NotSavedError",
    "OverQuotaError",
    "OverrideError",
    "RanksChangedError",
    "RanksError",
    "RonError",
    "RunFailedError",
    "ScheduleError",
    "SchemaError",
    "SequenceChangedError",
    "SettingError",
    "SettingsError",
    "SlotError",
    "SlotNameError",
    "SourceError",
    "StateMismatchError",
    "StepOrderError",
    "StoreError",
    "TooLargeError",
    "TooManyRequestsError",
    "UnkeepableError",
    "UnknownHyperParameterError",
    "UnknownSlotError",
    "UnknownVariableError",
    "UnreachableError",
    "UnstorableResultError",
    "UnsupportedError",
    "UntrustedError",
    "WrongKeyError",
]


class SettingsError(LatticeError, ValueError):
    """A ``LATTICE_*`` variable or a setting says what cannot be.

    Attributes: ``variable`` (where it stands), ``part`` (the bad part).
    """

    exit_code = 64
    variable: str
    part: str


class CheckpointError(LatticeError, ValueError):
    """A checkpoint cannot be used."""

    exit_code = 65


class DamagedError(CheckpointError):
    """Bytes that are not those that were written: truncated, altered, or missing.

    Attributes: ``key`` (the file in the store).
    """

    key: str


class FormatError(CheckpointError):
    """A checkpoint that a newer Lattice wrote.

    Attributes: ``key``, ``format``.
    """

    exit_code = 69
    key: str
    format: object


class UntrustedError(CheckpointError, PermissionError):
    """A checkpoint that is unsigned or altered, or a pickle where ``trust`` allows none.

    Attributes: ``key`` (the file or slot).
    """

    exit_code = 77
    key: str


class WrongKeyError(CheckpointError, PermissionError):
    """A checkpoint that was encrypted with another key than the one that is set, or with one where none is.

    Attributes: ``key`` (the file).
    """

    exit_code = 77
    key: str


class NotSavedError(LatticeError):
    """The checkpoint was written, but these slots kept their last good value.

    Attributes: ``failures`` (slot name to the error), ``number`` (of the checkpoint).
    """

    exit_code = 73
    failures: dict[str, BaseException]
    number: int | None


class UnsupportedError(LatticeError, NotImplementedError):
    """Something that this system or interpreter cannot do.

    Attributes: ``what``, ``system`` (as `sys.platform` names it).
    """

    exit_code = 69
    what: str
    system: str
