"""A checkpoint with which training jobs wait for a test, copied into the repository under test.

Each process that has trained something appends a line to a file in the folder ``held``, named after
its shard, with the number of its job and the GPUs that it sees. Then it waits for the file ``go``.
If there is a file ``megabytes-JOB``, the job allocates that much more memory.
"""

import math
import os
import time
from pathlib import Path

from noisescale.training import checkpoint

FOLDER = Path("held")
checkpoint.SECONDS_BETWEEN = math.inf  # so that a checkpoint is due only when the job is stopped


class Checkpoint(checkpoint.Checkpoint):
    """Reports once that its job has trained something, and waits for ``go`` or a stop signal."""

    reported = False
    memory = b""

    def due(self):
        if not self.reported:
            self.reported = True
            shard = "+".join(self.path.parts[-3:]).removesuffix(".parquet.checkpoint")
            with open(FOLDER / shard, "a") as file:
                gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "none")
                print(os.environ["SLURM_JOB_ID"], gpus, file=file)
        megabytes = FOLDER / f"megabytes-{os.environ['SLURM_JOB_ID']}"
        while not super().due() and not (FOLDER / "go").exists():
            time.sleep(0.1)
            if megabytes.exists() and not self.memory:
                self.memory = b"x" * (int(megabytes.read_text()) * 10**6)
        return super().due()
