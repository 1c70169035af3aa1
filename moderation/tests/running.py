"""How pytest runs our tests: its hooks, which the conftest of each room takes in. (None may stand at the top level.)"""

from __future__ import annotations

import re
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from moderation.tests import environment, fixtures

WORKERS = 4
"""For the whole suite: twice the cores it is meant for, since much of it waits for leases and endpoints."""

TOGETHER = re.compile(r"/tests/test_(demo|pages)")
"""Modules whose tests share something dear, by the beginning of their names: a demo that was lived in, a browser."""


class Scheduling(LoadScopeScheduling):
    """Test by test to whoever is free, but those that share something to one process, and these first.

    Not `--dist loadgroup`: pytest-xdist 3.8 writes a test's group into its id, which since 9.2 pytest does not heed.
    """

    def _split_scope(self, nodeid: str) -> str:
        shared = TOGETHER.search(nodeid.partition("::")[0])
        return shared[1] if shared else nodeid


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """`-n auto`: several processes for the whole suite; one, this, for chosen tests, which begin sooner so."""
    chosen = any(config.getoption(name, None) for name in ("keyword", "markexpr", "lf"))
    return WORKERS if config.args_source == pytest.Config.ArgsSource.TESTPATHS and not chosen else 0


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    # All rooms stand on one test database.
    for plugin in (environment, fixtures):
        if not config.pluginmanager.is_registered(plugin):
            config.pluginmanager.register(plugin)
