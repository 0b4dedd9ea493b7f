"""The version of the arithmetic that trains a run: rows of another version are trained again."""

NUMERICS_VERSION = 2
"""Raised whenever a change of the code may change a bit of a run's result.

``tests/training/test_numerics.py`` compares small trainings with recorded results, and fails if
this number has to be raised. A new version of torch may change bits, too; the provenance of each
job records the version that it used.
"""
