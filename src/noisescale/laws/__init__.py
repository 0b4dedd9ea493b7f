"""The scaling laws: the peak of every accuracy curve, exponents of the optimum batch size."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
