"""The figures: one module for each, which tabulates what is plotted and then draws the table."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
