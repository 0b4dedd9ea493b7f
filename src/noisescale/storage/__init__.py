"""How results are stored: written whole or not at all, with provenance, verified when read."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
