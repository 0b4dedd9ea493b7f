"""Preprocessing: by the statistics of the training split only, equal to that of scikit-learn."""

from dataclasses import replace

import numpy as np
import pytest

from noisescale.data.preprocessing import preprocess


def test_raw_returns_the_data_set_itself(digits):
    assert preprocess(digits, "raw") is digits


def test_standardize_is_that_of_scikit_learn_with_constant_pixels_zero(digits):
    from sklearn.preprocessing import StandardScaler

    ours = preprocess(digits, "standardize")
    peer = StandardScaler().fit(digits.X_train.astype(np.float64))
    np.testing.assert_allclose(ours.X_train, peer.transform(digits.X_train), atol=1e-5)
    constant = digits.X_train.std(axis=0) == 0
    assert constant.any()
    varying = ~constant
    expected = peer.transform(digits.X_test)
    np.testing.assert_allclose(ours.X_test[:, varying], expected[:, varying], rtol=1e-5, atol=1e-5)
    assert not ours.X_train[:, constant].any() and not ours.X_test[:, constant].any()


def test_a_pixel_that_is_constant_in_training_is_zero_in_the_test_split(digits):
    lit = digits.X_test.copy()
    constant = digits.X_train.std(axis=0) == 0
    lit[:, constant] = 0.5
    ours = preprocess(replace(digits, X_test=lit), "standardize")
    assert not ours.X_test[:, constant].any()


def test_whiten_is_that_of_scikit_learn_up_to_signs(digits):
    from sklearn.decomposition import PCA

    ours = preprocess(digits, "whiten")
    peer = PCA(whiten=True).fit(digits.X_train.astype(np.float64))
    rank = int((peer.explained_variance_ > 1e-7 * peer.explained_variance_[0]).sum())
    factor = np.sqrt(len(digits.X_train) / (len(digits.X_train) - 1))  # it divides by n − 1
    for split in ("X_train", "X_test"):
        expected = peer.transform(getattr(digits, split))[:, :rank] * factor
        found = getattr(ours, split)
        signs = np.sign((found[:, :rank] * expected).sum(axis=0))
        np.testing.assert_allclose(found[:, :rank], expected * signs, atol=2e-3)
        assert found.shape == getattr(digits, split).shape and not found[:, rank:].any()


@pytest.mark.parametrize("n", [1000, 40])
def test_whitened_training_inputs_are_uncorrelated_with_variance_one(digits, n):
    few = replace(digits, X_train=digits.X_train[:n], y_train=digits.y_train[:n])
    X = preprocess(few, "whiten").X_train.astype(np.float64)
    rank = np.linalg.matrix_rank(X, tol=1e-3)
    assert rank <= min(n - 1, 61) and (n == 1000 or rank == n - 1)
    np.testing.assert_allclose(X.mean(axis=0), 0, atol=1e-5)
    expected = np.diag([1.0] * rank + [0.0] * (64 - rank))
    np.testing.assert_allclose(X.T @ X / n, expected, atol=1e-4)


def test_whitened_components_have_one_sign_for_any_order_of_the_pixels(digits):
    order = np.random.default_rng(0).permutation(64)
    mixed = replace(digits, X_train=digits.X_train[:, order], X_test=digits.X_test[:, order])
    expected = preprocess(digits, "whiten").X_train[:, :30]
    np.testing.assert_allclose(preprocess(mixed, "whiten").X_train[:, :30], expected, atol=1e-4)


@pytest.mark.parametrize("kind", ["standardize", "whiten"])
def test_test_images_do_not_influence_the_preprocessing(digits, kind):
    full = preprocess(digits, kind)
    few = preprocess(replace(digits, X_test=digits.X_test[:5], y_test=digits.y_test[:5]), kind)
    np.testing.assert_array_equal(few.X_train, full.X_train)
    np.testing.assert_allclose(few.X_test, full.X_test[:5], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["standardize", "whiten"])
def test_constant_inputs_become_zero(digits, kind):
    flat = replace(digits, X_train=np.full_like(digits.X_train, 0.1))
    assert not preprocess(flat, kind).X_train.any()


def test_unknown_preprocessing_is_refused(digits):
    with pytest.raises(ValueError, match="'zca'; expected raw, standardize or whiten"):
        preprocess(digits, "zca")
