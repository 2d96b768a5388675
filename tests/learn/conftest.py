"""Options ``--dtype`` and ``--device`` run the same tests in another precision or on an accelerator."""

from __future__ import annotations

import pytest
import torch


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--dtype", choices=["float32", "float64"], default=None, help="one precision for learn")
    parser.addoption("--device", default="cpu", help="the device of the learn tests")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "dtype" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--dtype", default=None)
        names = [chosen] if chosen else ["float32", "float64"]
        metafunc.parametrize("dtype", [getattr(torch, name) for name in names], ids=names)


@pytest.fixture
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.config.getoption("--device", default="cpu"))


torch.set_num_threads(1)  # the tests run side by side, one process for each core


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
