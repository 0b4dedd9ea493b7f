"""Planning of the workflow: jobs and their cost, up-to-date results, locks, repair."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
