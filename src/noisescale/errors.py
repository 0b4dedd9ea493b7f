"""Errors that a user can mend: one line with the key or file, its value, what was expected."""


class NoisescaleError(Exception):
    """Base of all errors that are the user's to mend; printed as one line, without a traceback."""

    def __str__(self) -> str:
        return " ".join(super().__str__().split())


class ConfigError(NoisescaleError):
    """A key of the configuration is unknown, missing, or has a value that cannot be used."""


class DataError(NoisescaleError):
    """A data set cannot be found, read, downloaded, or does not fit the study."""


class RecordError(NoisescaleError):
    """A result file is missing, damaged, or was written by something else."""
