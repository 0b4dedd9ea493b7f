"""The version of the arithmetic that trains a run: rows of another one are trained again."""

NUMERICS_VERSION = 1
"""Raised whenever a change of the engine may change a bit of a run's result.

``tests/training/test_numerics.py`` compares six small trainings with stored weights: it fails where
this number has to be raised. A new version of torch may change bits as well; which one trained a
row is in its job's provenance.
"""
