"""Snakemake that asks a cluster for its jobs every second; called as ``python fastpoll.py ARGS``.

The plugin's own interval grows by 10 s with each look, and no option bounds it.
"""

import asyncio
import sys

from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def _sleep(self) -> None:
    await asyncio.sleep(1)


RemoteExecutor.sleep = _sleep

from snakemake.cli import main  # noqa: E402

main(sys.argv[1:])
