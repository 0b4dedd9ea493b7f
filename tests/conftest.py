"""Tests compute as the workflow's jobs do."""

from noisescale.__main__ import settle_environment

settle_environment()
