from __future__ import annotations

import pytest

from moderation.tests import environment, fixtures


def pytest_configure(config: pytest.Config) -> None:
    # Once for the whole run: the rooms share one test database.
    for plugin in (environment, fixtures):
        if not config.pluginmanager.is_registered(plugin):
            config.pluginmanager.register(plugin)
