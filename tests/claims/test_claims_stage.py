"""The table of claims, their captions, and the agreement of evidence and cross-entropy."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.synthetic import synthetic_study, write_synthetic
from scipy import stats

from noisescale.claims import evaluate
from noisescale.claims.agreement import evidence_agreement
from noisescale.claims.claim import Claim, Verdict
from noisescale.claims.evaluate import all_claims, evaluate_claims
from noisescale.claims.stage import claims_stage, read_claims
from noisescale.errors import RecordError
from noisescale.figures.registry import figures_of
from noisescale.laws.scaling import laws_stage
from noisescale.report.captions import caption_html, captions_stage, claims_caption
from noisescale.results.load import read_results
from noisescale.results.schemas import CLAIMS
from noisescale.storage.tables import read_table

CAPTIONS = Path(__file__).parents[2] / "workflow/report"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluated")
    write_synthetic(folder, synthetic_study(seeds=4, bootstrap=60))
    laws_stage(folder / "study.json", folder / "runs.parquet", folder / "laws.json")
    claims_stage(*paths(folder), folder)
    captions_stage(paths(folder)[0], folder / "claims.parquet", CAPTIONS, folder / "captions")
    return folder


def paths(folder):
    return [
        folder / name for name in ("study.json", "runs.parquet", "evidence.parquet", "laws.json")
    ]


def test_the_table_of_claims_is_what_the_claims_are(folder):
    inputs = read_results(*paths(folder))
    found = read_claims(folder / "claims.parquet")
    assert len(found) > 8
    assert [replace(claim, adjusted_verdict=None) for claim in found] == all_claims(inputs)
    assert found == evaluate_claims(inputs)
    table = read_table(folder / "claims.parquet", CLAIMS).to_pandas()
    names = {f"figures/{spec.name}.png" for spec in figures_of(inputs.study)}
    assert set(table["picture"]) <= names


def test_an_adjusted_verdict_is_the_verdict_or_undecided(folder):
    """Wider intervals decide fewer claims, and none differently."""
    found = read_claims(folder / "claims.parquet")
    assert all(claim.adjusted_verdict in (claim.verdict, "undecided") for claim in found)


def test_adjusted_verdicts_divide_the_error_by_the_number_of_claims(folder, monkeypatch):
    levels = []

    def counting(results):
        laws = results.laws.statistics.confidence
        levels.append((results.study.statistics.confidence, laws))
        return [Claim(str(i), "", "", "", "", Verdict.UNDECIDED) for i in range(10)]

    monkeypatch.setattr(evaluate, "all_claims", counting)
    evaluate_claims(read_results(*paths(folder)))
    assert levels == [(0.95, 0.95), (pytest.approx(0.995), pytest.approx(0.995))]


def test_captions_quote_measurements_unchanged(folder):
    for claim in read_claims(folder / "claims.parquet"):
        (spec,) = [spec for spec in figures_of(synthetic_study()) if spec.name == claim.figure]
        html, first = caption_html(folder / "captions" / spec.caption)
        text = " ".join(html.striptags().split())
        assert " ".join(claim.measured.split()) in text
        assert f"({claim.name}: {claim.verdict})" in text
        assert first == caption_html(CAPTIONS / spec.caption)[1]


def test_markup_characters_in_a_measurement_are_escaped():
    claim = Claim("A", "f", "", "*x* is `y` _ and |z|", "", Verdict.SUPPORTED)
    assert r"\*x\* is \`y\` \_ and \|z\|" in claims_caption("Text.", [claim])


def sweep(ratio, loss, noise=0.0):
    """Rows of an evidence sweep: a seed per row of `ratio` and `loss`, a λ per column."""
    ratio, loss = np.asarray(ratio, float), np.asarray(loss, float)
    seed, column = np.indices(ratio.shape)
    return pd.DataFrame(
        {
            "label_noise": noise,
            "seed": seed.ravel(),
            "prior_precision": 10.0 ** column.ravel(),
            "log_evidence_ratio": ratio.ravel(),
            "test_cross_entropy": loss.ravel(),
        }
    )


def test_agreement_is_the_distance_of_the_minima_and_the_rank_correlation():
    ratio = [[3, 1, 2, 4], [1, 2, 3, 4], [4, 3, 2, 1]]
    loss = [[4, 1, 2, 3], [2, 1, 3, 4], [1, 2, 3, 4]]
    (row,) = evidence_agreement(sweep(ratio, loss, 0.5), 0.95).to_dict("records")
    assert (row["label_noise"], row["n_seeds"]) == (0.5, 3)
    assert row["decades"] == pytest.approx(np.mean([0, 1, 3]))
    ranks = [stats.spearmanr(a, b).statistic for a, b in zip(ratio, loss, strict=True)]
    assert row["rank_correlation"] == pytest.approx(np.mean(ranks))
    expected = stats.t.interval(0.95, 2, np.mean(ranks), stats.sem(ranks))
    assert (row["rank_correlation_low"], row["rank_correlation_high"]) == pytest.approx(expected)


def test_one_seed_has_no_interval_and_a_constant_no_rank_correlation():
    (row,) = evidence_agreement(sweep([[1, 2, 3]], [[2, 2, 2]]), 0.95).to_dict("records")
    assert np.isnan(row["decades_low"]) and np.isnan(row["rank_correlation"])


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_caption_that_cannot_be_read_is_one_line(folder, tmp_path, content):
    if content is not None:
        (tmp_path / "scaling_laws.rst").write_bytes(content)
    with pytest.raises(RecordError, match=r"scaling_laws\.rst: cannot be read"):
        captions_stage(paths(folder)[0], folder / "claims.parquet", tmp_path, tmp_path / "out")
