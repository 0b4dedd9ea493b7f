"""In the place of a copied repository's checkpoint: training jobs wait in the midst, held by a test.

A file in the folder ``held`` has a line for each process that trained the shard, with its job and
the GPUs that it sees. A job for which there is a file ``megabytes-ID`` takes so much memory.
"""

import os
import time
from pathlib import Path

from noisescale.training import checkpoint

FOLDER = Path("held")


class Checkpoint(checkpoint.Checkpoint):
    """Once something is trained, says so and waits for the file ``go``, or for being stopped."""

    said = False
    eaten = b""

    def due(self):
        if not self.said:
            self.said = True
            name = "+".join(self.path.parts[-3:]).removesuffix(".parquet.checkpoint")
            with open(FOLDER / name, "a") as file:
                gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "none")
                print(os.environ["SLURM_JOB_ID"], gpus, file=file)
        food = FOLDER / f"megabytes-{os.environ['SLURM_JOB_ID']}"
        while self._stop is None and not (FOLDER / "go").exists():
            time.sleep(0.1)
            if food.exists() and not self.eaten:
                self.eaten = b"x" * (int(food.read_text()) * 10**6)
        return super().due()
