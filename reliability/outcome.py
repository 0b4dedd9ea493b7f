"""What became of a fault, tried some times."""

from __future__ import annotations

from dataclasses import dataclass, field

from reliability.study import Study, differences, rows_lost


@dataclass
class Outcome:
    """Counts of one fault.

    Attributes
    ----------
    tries, survived
        How often it was tried, and how often all was well in the end.
    rows_lost
        Rows of finished runs that were no longer there after a fault, and those of the undisturbed
        table of runs that were not there in the end.
    compared
        The results that were compared.
    on
        The day.
    said
        What the user was told, of the last try that was refused; else empty.
    wrong
        What was not well.
    """

    tries: int = 0
    survived: int = 0
    rows_lost: int = 0
    compared: list[str] = field(default_factory=list)
    on: str = ""
    said: str = ""
    wrong: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether all was well."""
        return self.tries == self.survived and not self.wrong

    def count(
        self, study: Study, undisturbed: Study, tries: int = 1, only_runs: bool = False
    ) -> None:
        """Count tries that have all ended in these results."""
        different = differences(study, undisturbed, only_runs)
        self.compare("runs" if only_runs else "all")
        self.tries += tries
        self.rows_lost += rows_lost(study, undisturbed)
        if different:
            self.wrong += different
        else:
            self.survived += tries

    def compare(self, what: str) -> None:
        """Take down that something has been compared."""
        self.compared = sorted({*self.compared, what})

    def failed(self, what: str) -> None:
        """Count a try that has not ended in results."""
        self.tries += 1
        self.wrong.append(what)
