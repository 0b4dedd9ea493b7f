"""Run Snakemake with a cluster executor that checks its jobs every second.

The interval of the SLURM plugin grows by 10 s with each check, and no option limits it. Called as
``python fastpoll.py ARGUMENTS``.
"""

import asyncio
import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def _sleep(self) -> None:
    await asyncio.sleep(1)


RemoteExecutor.sleep = _sleep
main(sys.argv[1:])
