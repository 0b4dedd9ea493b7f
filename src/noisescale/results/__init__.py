"""The results of a study: the columns of its tables, the laws, and how both are read."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
