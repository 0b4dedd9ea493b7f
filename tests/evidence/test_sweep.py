"""The sweep of Part I: the drawn images, the table, and the paper's claims on real images."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from noisescale.data.dataset import load_dataset
from noisescale.data.prepare import prepare_dataset
from noisescale.data.preprocessing import preprocess
from noisescale.data.randomness import TEST_NOISE, TRAIN_NOISE, noisy_labels
from noisescale.errors import DataError, NoisescaleError
from noisescale.evidence import laplace
from noisescale.evidence.sweep import draw_two_classes, evidence_stage, sweep_evidence
from noisescale.results.schemas import EVIDENCE
from noisescale.storage.tables import read_metadata, read_table
from noisescale.study.model import DatasetSpec, EvidenceSpec, Statistics, Study

SPEC = EvidenceSpec(
    classes=[1, 8],
    pool="all",
    train_size=80,
    test_size=240,
    prior_precision=[1e-8, 1e-4, 1e-1, 1.0, 1e1, 1e3, 1e5],
    label_noise=[0.0, 0.5, 1.0],
    preprocessing="whiten",
    seeds=[0, 1, 2, 3, 4],
)


@pytest.fixture(scope="module")
def digits_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    prepare_dataset(DatasetSpec("digits", None, "data"), path)
    return path


@pytest.fixture(scope="module")
def digits(digits_path):
    return load_dataset(digits_path)


@pytest.fixture(scope="module")
def table(digits):
    return sweep_evidence(digits, SPEC)


def means(table, label_noise):
    """Return every column's mean over seeds, by prior precision."""
    frame = table.to_pandas().query("label_noise == @label_noise")
    return frame.groupby("prior_precision").mean(numeric_only=True)


def identities(images):
    return {image.tobytes() for image in images}


# --- what is drawn ---


@pytest.mark.parametrize("pool", ["train", "all"])
@pytest.mark.parametrize("seed", [0, 7])
def test_training_and_test_images_are_balanced_and_disjoint(digits, pool, seed):
    spec = replace(SPEC, pool=pool, train_size=60, test_size=100)
    drawn = draw_two_classes(digits, spec, seed)
    assert drawn.X_train.shape == (60, 64) and drawn.X_test.shape == (100, 64)
    assert np.bincount(drawn.y_train).tolist() == [30, 30]
    assert np.bincount(drawn.y_test).tolist() == [50, 50]
    assert len(identities(drawn.X_train) | identities(drawn.X_test)) == 160


def test_labels_0_and_1_are_the_first_and_second_class(digits):
    drawn = draw_two_classes(digits, replace(SPEC, classes=[8, 1]), 0)
    eights = identities(digits.X_train[digits.y_train == 8]) | identities(
        digits.X_test[digits.y_test == 8]
    )
    assert identities(drawn.X_train[drawn.y_train == 0]) <= eights
    assert not identities(drawn.X_train[drawn.y_train == 1]) & eights


def test_pool_train_does_not_use_the_test_split(digits):
    spec = replace(SPEC, pool="train", train_size=60, test_size=100)
    drawn = draw_two_classes(digits, spec, 0)
    own = identities(digits.X_train)
    assert identities(drawn.X_train) <= own and identities(drawn.X_test) <= own
    everything = draw_two_classes(digits, replace(spec, pool="all", test_size=240), 0)
    assert identities(everything.X_test) & identities(digits.X_test)


def test_larger_training_sets_contain_the_smaller_and_share_their_test_images(digits):
    small, large = (draw_two_classes(digits, replace(SPEC, train_size=n), 3) for n in (40, 80))
    assert identities(small.X_train) < identities(large.X_train)
    np.testing.assert_array_equal(small.X_test, large.X_test)


def test_seeds_draw_different_images(digits):
    assert identities(draw_two_classes(digits, SPEC, 0).X_train) != identities(
        draw_two_classes(digits, SPEC, 1).X_train
    )


def test_too_few_images_is_an_error_that_counts_them(digits):
    with pytest.raises(DataError, match="need 1040 images of class 1, but digits has 182 in pool"):
        draw_two_classes(digits, replace(SPEC, train_size=80, test_size=2000), 0)
    with pytest.raises(DataError, match="of class 12, but digits has 0"):
        draw_two_classes(digits, replace(SPEC, classes=[12, 1]), 0)


# --- label noise ---


def test_labels_are_true_without_noise_and_random_with_noise_1():
    labels = np.repeat([0, 1], 5000)
    noisy = noisy_labels(0, labels, 1.0, 2, TRAIN_NOISE)
    np.testing.assert_array_equal(noisy_labels(0, labels, 0.0, 2, TRAIN_NOISE), labels)
    assert noisy.mean() == pytest.approx(0.5, abs=0.02)
    assert (noisy == labels).mean() == pytest.approx(0.5, abs=0.02)


def test_half_of_the_noisy_labels_are_wrong():
    labels = np.repeat([0, 1], 5000)
    noisy = noisy_labels(0, labels, 0.4, 2, TRAIN_NOISE)
    assert (noisy != labels).mean() == pytest.approx(0.2, abs=0.02)


def test_a_label_that_noise_changes_stays_changed_with_more_noise():
    labels = np.repeat([0, 1], 500)
    before = labels
    for label_noise in (0.1, 0.2, 0.5, 0.8, 1.0):
        noisy = noisy_labels(5, labels, label_noise, 2, TRAIN_NOISE)
        changed = before != labels
        np.testing.assert_array_equal(noisy[changed], before[changed])
        assert (noisy != labels).sum() > changed.sum()
        before = noisy


def test_noise_depends_on_seed_and_purpose():
    labels = np.zeros(1000, dtype=int)
    draws = {
        noisy_labels(seed, labels, 1.0, 2, purpose).tobytes()
        for seed in (0, 1)
        for purpose in (TRAIN_NOISE, TEST_NOISE)
    }
    assert len(draws) == 4


# --- what is recorded ---


def test_the_table_has_one_row_for_every_combination_in_order(table):
    assert table.schema.equals(EVIDENCE)
    columns = [table[c].to_pylist() for c in ("seed", "label_noise", "prior_precision")]
    expected = [
        (seed, label_noise, prior_precision)
        for seed in SPEC.seeds
        for label_noise in SPEC.label_noise
        for prior_precision in SPEC.prior_precision
    ]
    assert list(zip(*columns, strict=True)) == expected


def test_a_row_does_not_depend_on_what_else_is_swept(digits, table):
    single = replace(SPEC, seeds=[3], label_noise=[0.5], prior_precision=[1e-4])
    row = sweep_evidence(digits, single).to_pylist()[0]
    swept = table.to_pandas().query("seed == 3 and label_noise == 0.5 and prior_precision == 1e-4")
    for key, value in row.items():
        if key not in ("gradient_norm", "newton_steps"):
            expected = swept.iloc[0][key]
            assert value == (pytest.approx(expected, rel=1e-6) if value != expected else expected)


@pytest.mark.parametrize("preprocessing", ["raw", "standardize", "whiten"])
def test_a_row_is_what_scikit_learn_and_the_formula_give_on_all_pixels(digits, preprocessing):
    from scipy.special import log_expit
    from sklearn.linear_model import LogisticRegression

    prior_precision = 0.1
    spec = replace(SPEC, seeds=[2], label_noise=[0.5], preprocessing=preprocessing)
    row = sweep_evidence(digits, replace(spec, prior_precision=[prior_precision])).to_pylist()[0]
    drawn = preprocess(draw_two_classes(digits, spec, 2), preprocessing)
    labels = noisy_labels(2, drawn.y_train, 0.5, 2, TRAIN_NOISE)
    test_labels = noisy_labels(2, drawn.y_test, 0.5, 2, TEST_NOISE)
    A, A_test = laplace.design_matrix(drawn.X_train), laplace.design_matrix(drawn.X_test)
    peer = LogisticRegression(
        C=1 / prior_precision, fit_intercept=False, tol=1e-12, max_iter=10000, solver="newton-cg"
    ).fit(A, labels)
    w = peer.coef_[0]
    p, signs, test_signs = peer.predict_proba(A)[:, 1], 2 * labels - 1, 2 * test_labels - 1
    # Not with sklearn's log_loss, which clips probabilities as extreme as these.
    cross_entropy = -log_expit(signs * peer.decision_function(A)).mean()
    test_cross_entropy = -log_expit(test_signs * peer.decision_function(A_test)).mean()
    cost = 80 * cross_entropy + prior_precision / 2 * w @ w
    hessian = A.T @ (A * (p * (1 - p))[:, None]) + prior_precision * np.eye(65)
    half_log_determinant = np.linalg.slogdet(hessian / prior_precision)[1] / 2
    expected = {
        "train_size": 80,
        "test_size": 240,
        "n_parameters": 65,
        "cost": cost,
        "half_log_determinant": half_log_determinant,
        "log_evidence_ratio": cost + half_log_determinant - 80 * np.log(2),
        "log_evidence_ratio_per_example": (cost + half_log_determinant) / 80 - np.log(2),
        "train_accuracy": peer.score(A, labels),
        "test_accuracy": peer.score(A_test, test_labels),
        "train_cross_entropy": cross_entropy,
        "test_cross_entropy": test_cross_entropy,
        "weight_norm": np.linalg.norm(w[:-1]),
        "margin": (signs * (A @ w)).mean() / np.linalg.norm(w[:-1]),
    }
    for key, value in expected.items():
        assert row[key] == pytest.approx(value, rel=1e-5), key


def test_the_number_of_parameters_is_that_of_the_model_and_not_the_rank(digits):
    """Fewer examples than pixels: the evidence from all P weights is that from the rank."""
    spec = replace(SPEC, train_size=20, seeds=[0], label_noise=[0.0], prior_precision=[0.1])
    (row,) = sweep_evidence(digits, spec).to_pylist()
    drawn = preprocess(draw_two_classes(digits, spec, 0), spec.preprocessing)
    design = laplace.design_matrix(drawn.X_train)
    assert row["n_parameters"] == design.shape[1] == 65
    assert laplace.row_space(design).shape[1] <= 20
    (minimum,) = laplace.minima_over_priors(design, drawn.y_train, [0.1])
    ratio = laplace.log_evidence_ratio(minimum, 20)
    assert row["log_evidence_ratio"] == pytest.approx(ratio, rel=1e-8)


def test_every_fit_reached_its_minimum(table):
    frame = table.to_pandas()
    assert frame.newton_steps.max() < 50
    relative = frame.gradient_norm / (frame.prior_precision * frame.weight_norm)
    assert relative.max() < 1e-3


def test_a_pixel_that_a_single_example_has_does_not_stall_the_search(digits):
    # Only that pixel's weight determines the logit, with a curvature of about λ. Rounding errors
    # of the gradient then keep changing the logit by more than the tolerance.
    spec = replace(SPEC, classes=[0, 1], train_size=200, test_size=150, preprocessing="standardize")
    precisions = [10 ** (k / 2) for k in range(-16, 11)]
    spec = replace(spec, prior_precision=precisions, label_noise=[0.5, 1.0], seeds=[0, 2, 8])
    frame = sweep_evidence(digits, spec).to_pandas()
    assert frame.newton_steps.max() < 12


def test_progress_counts_every_fit(digits):
    calls = []
    spec = replace(SPEC, seeds=[0, 1], prior_precision=[1.0, 10.0])
    table = sweep_evidence(digits, spec, calls.append)
    assert sum(calls) == table.num_rows


# --- the paper's claims, on digits ---


def test_random_labels_are_memorized_and_predict_nothing(table):
    random = means(table, 1.0)
    assert random.train_accuracy.iloc[0] == 1
    assert random.train_cross_entropy.iloc[0] < 1e-6
    assert random.test_accuracy.between(0.45, 0.55).all()
    assert random.test_cross_entropy.iloc[0] > 10
    assert random.test_cross_entropy.iloc[-1] == pytest.approx(np.log(2), abs=1e-3)


def test_true_labels_of_the_same_images_generalize(table):
    assert means(table, 0.0).test_accuracy.min() > 0.8


def test_the_evidence_distinguishes_the_two_tasks(table):
    true, random = (means(table, n).log_evidence_ratio_per_example for n in (0.0, 1.0))
    assert true.min() < -0.05
    assert true.iloc[0] > 0.1  # whitened, and with too weak a prior
    assert random.min() > -0.01 and random.iloc[0] > 0.5


def test_the_prior_of_largest_evidence_is_about_the_best_on_test_images(table):
    true = means(table, 0.0)
    by_evidence = true.log_evidence_ratio.idxmin()
    by_test = true.test_cross_entropy.idxmin()
    assert abs(np.log10(by_evidence / by_test)) <= 1


# --- from files to a file ---


@pytest.fixture
def study_path(tmp_path):
    study = Study(
        name="digits",
        title="A test",
        dataset=DatasetSpec("digits", None, "data"),
        device="cpu",
        precision="float32",
        seeds_per_shard=10,
        evaluations_per_decade=5,
        experiments={},
        evidence=replace(SPEC, seeds=[0], prior_precision=[1.0, 10.0]),
        statistics=Statistics(100, 0.95),
    )
    path = tmp_path / "study.json"
    path.write_text(study.to_json())
    return path


def test_the_stage_writes_the_table_with_its_provenance(study_path, digits_path, digits, tmp_path):
    output = tmp_path / "evidence.parquet"
    evidence_stage(study_path, digits_path, output)
    table = read_table(output, EVIDENCE)
    assert table.num_rows == 6
    metadata = read_metadata(output)
    assert metadata["kind"] == "evidence"
    assert metadata["data_digest"] == digits.digest
    assert metadata["study"]["evidence"]["classes"] == [1, 8]
    assert metadata["seconds"] >= 0 and "numpy" in metadata["versions"]


def test_the_stage_without_an_evidence_block_is_an_error(study_path, digits_path, tmp_path):
    study = Study.from_json(study_path.read_text())
    study_path.write_text(replace(study, evidence=None).to_json())
    with pytest.raises(NoisescaleError, match=r"experiments\.evidence: null"):
        evidence_stage(study_path, digits_path, tmp_path / "evidence.parquet")
    assert not (tmp_path / "evidence.parquet").exists()


# --- real MNIST, at the paper's setting ---


@pytest.mark.mnist
@pytest.mark.skipif(
    not Path(os.environ.get("NOISESCALE_DATA", ""), "MNIST", "raw").is_dir(),
    reason="NOISESCALE_DATA has no MNIST/raw",
)
@pytest.mark.parametrize("preprocessing", ["raw", "whiten"])
def test_mnist_shows_the_claims_at_the_papers_setting(preprocessing, tmp_path):
    prepare_dataset(DatasetSpec("mnist", None, "data"), tmp_path / "mnist.npz")
    mnist = load_dataset(tmp_path / "mnist.npz")
    spec = EvidenceSpec(
        classes=[0, 1],
        pool="train",
        train_size=800,
        test_size=10000,
        prior_precision=[1e-8, 1e-4, 1e-1, 1.0, 10.0, 100.0, 1e5],
        label_noise=[0.0, 1.0],
        preprocessing=preprocessing,
        seeds=[0],
    )
    table = sweep_evidence(mnist, spec)
    true, random = means(table, 0.0), means(table, 1.0)
    assert random.train_accuracy.iloc[0] == 1 and random.test_accuracy.between(0.48, 0.52).all()
    assert random.log_evidence_ratio_per_example.iloc[0] > 1
    assert true.test_accuracy.min() > 0.95
    assert true.log_evidence_ratio_per_example.min() < -0.1
    assert (true.log_evidence_ratio.iloc[0] > 0) == (preprocessing == "whiten")
    best = true.log_evidence_ratio.idxmin() / true.test_cross_entropy.idxmin()
    assert 0.1 <= best <= 10.001
