"""What the workflow knows before it runs: jobs, their cost, what is up to date, who is running."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
