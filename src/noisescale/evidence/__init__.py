"""Part I of the paper: the Bayesian evidence of logistic regression over a range of priors."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
