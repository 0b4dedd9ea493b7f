"""Statistics that do not depend on a study: bootstrap, Tobit and local regression, estimates."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
