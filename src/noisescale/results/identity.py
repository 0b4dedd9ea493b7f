"""The identity that all rows of a table of runs must share: data, arithmetic, evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from noisescale.numerics import NUMERICS_VERSION
from noisescale.study.model import Study


@dataclass(frozen=True)
class RunIdentity:
    """How the rows of a table were computed.

    Attributes
    ----------
    numerics_version
        See `noisescale.numerics.NUMERICS_VERSION`.
    data_digest
        Digest of the prepared data set; None where it is not known yet.
    evaluations_per_decade, precision
        As in the study.
    """

    numerics_version: int
    data_digest: str | None
    evaluations_per_decade: int
    precision: str

    @classmethod
    def of(cls, study: Study, data_digest: str | None) -> Self:
        """Return the identity of runs that this version of the program trains."""
        return cls(NUMERICS_VERSION, data_digest, study.evaluations_per_decade, study.precision)

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any]) -> Self | None:
        """Return the identity in a table's metadata; None where it is incomplete."""
        try:
            return cls(
                int(metadata["numerics_version"]),
                metadata["data_digest"],
                metadata["evaluations_per_decade"],
                metadata["precision"],
            )
        except (KeyError, TypeError, ValueError):
            return None
