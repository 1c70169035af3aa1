from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    # Once for the whole run: the rooms share one test database.
    config.pluginmanager.import_plugin("moderation.tests.environment")
