"""One bucket for all stories, one edge for those that do not need their own."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import bucket as buckets
from edge import Edge


@pytest.fixture(scope="session")
def bucket():
    bucket = buckets.start()
    yield bucket
    bucket.server.stop()


@pytest.fixture
def new_edge(bucket, tmp_path):
    """Starts edges of a story's own; stopped when it ends."""
    edges = []

    def start(**settings):
        folder = tmp_path / str(len(edges))
        folder.mkdir()
        edges.append(Edge(folder, bucket, **settings))
        return edges[-1]

    yield start
    for edge in edges:
        if edge.process.poll() is None:
            edge.stop()


@pytest.fixture(scope="module")
def edge(bucket, tmp_path_factory):
    edge = Edge(tmp_path_factory.mktemp("edge"), bucket)
    yield edge
    if edge.process.poll() is None:
        assert edge.stop() == 0
