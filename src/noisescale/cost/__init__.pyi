from .estimate import run_seconds as run_seconds
from .estimate import shard_mb as shard_mb
from .estimate import training_seconds as training_seconds
from .machine_speed import speed as speed
