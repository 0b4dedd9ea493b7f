"""Errors that a user can remedy: one line with key or file, value, what was expected, remedy."""


class NoisescaleError(Exception):
    """Base of all errors that a user can remedy; shown as one line, without a traceback."""

    def __str__(self) -> str:
        return " ".join(super().__str__().split())


class ConfigError(NoisescaleError):
    """A key of the configuration is unknown, missing, or has a value that cannot be used."""


class DataError(NoisescaleError):
    """A data set cannot be found, read or downloaded, or does not fit the study."""


class RecordError(NoisescaleError):
    """A result file is missing or damaged, or was written by another program."""
