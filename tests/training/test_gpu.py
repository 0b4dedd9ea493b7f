"""Whether a plan finds the GPU that torch will find, without importing torch."""

import subprocess
import sys

import pytest
import torch

from noisescale.training import gpu
from noisescale.training.gpu import gpu_usable


class Driver:
    """A CUDA driver with `count` GPUs that supports a version of CUDA."""

    def __init__(self, count=1, version=99000, status=0):
        self.count, self.version, self.status = count, version, status

    def cuInit(self, flags):
        return self.status

    def cuDeviceGetCount(self, count):
        count._obj.value = self.count
        return 0

    def cuDriverGetVersion(self, version):
        version._obj.value = self.version
        return 0


@pytest.fixture
def driver(monkeypatch):
    """Return a function that installs a driver, or none."""
    for name in ("SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)

    def install(installed):
        def load(name):
            if installed is None:
                raise OSError(f"{name}: cannot open shared object file")
            return installed

        monkeypatch.setattr(gpu.ctypes, "CDLL", load)

    return install


def test_it_agrees_with_torch_on_this_machine():
    assert gpu_usable() == torch.cuda.is_available()


@pytest.mark.parametrize(
    ("installed", "usable"),
    [
        (None, False),
        (Driver(), True),
        (Driver(count=0), False),
        (Driver(status=100), False),  # no device is detected
        (Driver(version=11040), False),  # older than the CUDA that torch was built with
    ],
    ids=["no driver", "a GPU", "no GPU", "no device", "old driver"],
)
def test_a_gpu_needs_a_driver_as_new_as_torch(driver, monkeypatch, installed, usable):
    monkeypatch.setattr(gpu, "_cuda_of_torch", lambda: 12)
    driver(installed)
    assert gpu_usable() == usable


def test_a_torch_without_cuda_finds_none(driver, monkeypatch):
    monkeypatch.setattr(gpu, "_cuda_of_torch", lambda: 0)
    driver(Driver())
    assert not gpu_usable()


def test_a_slurm_job_without_a_gpu_finds_none(driver, monkeypatch):
    monkeypatch.setattr(gpu, "_cuda_of_torch", lambda: 12)
    driver(Driver())
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    assert not gpu_usable()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert gpu_usable()


def test_the_version_of_cuda_is_read_without_importing_torch():
    built_with = int((torch.version.cuda or "0").split(".")[0])
    assert gpu._cuda_of_torch() == built_with
    code = (
        "import sys; from noisescale.training import gpu; gpu._cuda_of_torch(); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
