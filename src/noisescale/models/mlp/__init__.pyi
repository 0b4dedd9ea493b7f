from .architecture import MLP as MLP
from .initialization import initial_weights as initial_weights
from .sgd import StackedMLP as StackedMLP
from .sgd import forward as forward
