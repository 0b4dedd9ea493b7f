"""The outcome of a fault that was injected several times."""

from __future__ import annotations

from dataclasses import dataclass, field

from faults.study import Study, differences, rows_lost


@dataclass
class Outcome:
    """Counts for one fault.

    Attributes
    ----------
    tries, survived
        How often the fault was injected, and how often the results were equal in the end.
    rows_lost
        Rows of finished runs that a fault removed, and rows of the undisturbed table of runs that
        were missing in the end.
    compared
        The results that were compared: ``all``, ``runs`` or ``data``.
    date
        The day of the test, in ISO format.
    message
        The error message of the last try that was refused; empty if none was.
    failures
        What went wrong.
    """

    tries: int = 0
    survived: int = 0
    rows_lost: int = 0
    compared: list[str] = field(default_factory=list)
    date: str = ""
    message: str = ""
    failures: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether every try was survived."""
        return self.tries == self.survived and not self.failures

    def count(
        self, study: Study, undisturbed: Study, tries: int = 1, only_runs: bool = False
    ) -> None:
        """Count tries that all ended in the results of this study."""
        different = differences(study, undisturbed, only_runs)
        self.compare("runs" if only_runs else "all")
        self.tries += tries
        self.rows_lost += rows_lost(study, undisturbed)
        if different:
            self.failures += different
        else:
            self.survived += tries

    def compare(self, what: str) -> None:
        """Record that some results were compared."""
        self.compared = sorted({*self.compared, what})

    def failed(self, what: str) -> None:
        """Count a try that did not end in results."""
        self.tries += 1
        self.failures.append(what)
