from __future__ import annotations

import pytest

from moderation.tests import environment, fixtures

WORKERS = 3
"""For the whole suite: one more than the cores it is meant for, since much of it waits for leases and endpoints."""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """`-n auto`: several processes for the whole suite; one, this, for chosen tests, which begin sooner so."""
    chosen = any(config.getoption(name, None) for name in ("keyword", "markexpr", "lf"))
    return WORKERS if config.args_source == pytest.Config.ArgsSource.TESTPATHS and not chosen else 0


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    # All rooms stand on one test database.
    for plugin in (environment, fixtures):
        config.pluginmanager.register(plugin)
