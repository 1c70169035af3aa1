"""Clusters for the tests' own PostgreSQL servers: copies of one that is made once per run, as initdb takes a second."""

from __future__ import annotations

import os
import subprocess
import tempfile

from moderation.standalone.cluster import SHARED, create_cluster
from moderation.standalone.datadir import DataDir, flock
from moderation.tests.environment import RUN_HOME


def give_cluster(datadir: DataDir) -> None:
    """Let the data directory have an empty cluster, where a first start would have put it."""
    template = RUN_HOME / "template" / "pg18"
    template.parent.mkdir(exist_ok=True)
    with flock(template.with_name("lock")):
        create_cluster(template, template.with_name("log"), lambda text: None)
    datadir.create()
    cluster = datadir.path / "pg18"
    if os.geteuid() == 0:
        cluster.symlink_to(tempfile.mkdtemp(dir=SHARED, prefix="cluster-"))
    else:
        cluster.mkdir(mode=0o700)
    subprocess.run(["cp", "-a", f"{template.resolve()}/.", str(cluster.resolve())], check=True)
