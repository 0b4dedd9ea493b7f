"""Reproduction of Smith & Le, *A Bayesian Perspective on Generalization and SGD* (ICLR 2018)."""

__version__ = "0.1.0"
