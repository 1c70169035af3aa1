"""The settings of a test run: the test database is chosen first, then they are those of any installation.

pytest-django imports this before anything else of ours, which a plugin named by `-p` cannot be sure of.
"""

import os

from moderation.tests import environment  # noqa: F401  (chooses the database)

# Child processes are installations like any other.
os.environ["DJANGO_SETTINGS_MODULE"] = "moderation.settings"

from moderation.settings import *  # noqa: F403
