"""The version of the arithmetic of training: runs of another version are trained again."""

NUMERICS_VERSION = 2
"""Incremented whenever a change of the code may change a bit of a run's result.

``tests/training/test_numerics.py`` compares small trainings with recorded results, and fails if
this number has to be incremented. A new version of torch may change bits, too; the provenance of
each job records the version that it used.
"""
