"""Captions of the figures: what each shows, what the paper says about it, what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from noisescale.claims.claim import Claim
from noisescale.claims.stage import read_claims
from noisescale.errors import RecordError
from noisescale.figures.registry import figures_of
from noisescale.storage.files import read_bytes, write_text
from noisescale.study.model import Study

if TYPE_CHECKING:
    from markupsafe import Markup

LAWS_CAPTION = "scaling_laws.rst"
"""The text that introduces the scaling laws; it is written with the captions."""


def captions_stage(study_path: Path, claims_path: Path, templates: Path, output: Path) -> None:
    """Write a study's captions, each with the results of the claims that its figure shows.

    Parameters
    ----------
    study_path
        The resolved study as JSON.
    claims_path
        ``claims.parquet``.
    templates
        The folder that has a ``.rst`` file for each figure.
    output
        The folder that the captions are written to.

    Raises
    ------
    RecordError
        A file cannot be read, or a caption cannot be written.
    """
    study, claims = Study.read(study_path), read_claims(claims_path)
    for name in [LAWS_CAPTION, *(spec.caption for spec in figures_of(study))]:
        try:
            text = (templates / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RecordError(
                f"{templates / name}: cannot be read ({error}); expected a caption, as in "
                "workflow/report"
            ) from error
        shown = [claim for claim in claims if Path(name).stem == claim.figure]
        write_text(output / name, claims_caption(text, shown))


def claims_caption(text: str, claims: list[Claim]) -> str:
    """Return a caption with the results of claims appended, as reStructuredText."""
    for claim in claims:
        measured = "".join(rf"\{c}" if c in r"\*_`|" else c for c in claim.measured)
        text = f"{text.rstrip()}\n\n**Measured** ({claim.name}: {claim.verdict}): {measured}\n"
    return text


def caption_html(path: Path) -> tuple[Markup, str]:
    """Return a caption as HTML, and its first paragraph as plain text.

    Raises
    ------
    RecordError
        The file is missing or damaged.
    """
    from docutils.core import publish_parts
    from docutils.writers.html5_polyglot import Writer
    from markupsafe import Markup

    try:
        text = read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecordError(
            f"{path}: damaged, not text; delete the file and run the workflow again"
        ) from error
    # A caption can neither read files nor contain HTML.
    settings = {"raw_enabled": False, "file_insertion_enabled": False, "report_level": 5}
    html = publish_parts(text, writer=Writer(), settings_overrides=settings)["body"]
    first = text.strip().split("\n\n")[0].replace("*", "")
    return Markup(html), " ".join(first.split())
