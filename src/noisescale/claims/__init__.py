"""The claims of the paper, each with a criterion, what was measured, and a verdict."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
