"""Preprocessing."""

from noisescale.data import preprocess
