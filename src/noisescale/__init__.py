"""Reproduction of Smith & Le, *A Bayesian Perspective on Generalization and SGD* (ICLR 2018).

The public API; each name is imported when it is first used::

    import noisescale as ns

    study = ns.load_study("config.yaml")
    results = ns.load_results("results/digits")
    results.laws.exponents["learning_rate"].interval(0.99)
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"
