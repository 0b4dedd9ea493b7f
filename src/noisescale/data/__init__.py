"""The data sets: where they come from, how they are checked, and the random choices from them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
