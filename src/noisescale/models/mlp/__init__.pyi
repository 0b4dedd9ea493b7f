from .architecture import MLP as MLP
from .initialization import initial_weights as initial_weights
from .network import StackedMLP as StackedMLP
from .network import forward as forward
