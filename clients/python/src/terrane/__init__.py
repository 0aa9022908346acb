"""Terrane's client: ask for a dataset, watch it, and use where it is served.

    import terrane
    with terrane.connect() as client:
        dataset = client.create_and_wait("roads/network/2024", terrane.vector("file:///data/roads.gpkg"))
        print(dataset.result.endpoint)
"""

from framedrpc import RpcError, StatusCode

from .aio import AsyncClient, connect_async
from .client import Client, connect
from .locate import NoServer
from .names import dataset_key, name, reference, text_of
from .outcome import DatasetFailed, ProgressLine, Status, problem, status
from .specs import mosaic, raster, raster_collection, vector
from .v1.dataset_pb2 import Dataset, DatasetName, DatasetSpec, DatasetStatus
from .v1.problem_pb2 import Problem

__all__ = [
    "AsyncClient", "Client", "Dataset", "DatasetFailed", "DatasetName", "DatasetSpec", "DatasetStatus", "NoServer", "Problem",
    "ProgressLine", "RpcError", "Status", "StatusCode", "connect", "connect_async", "dataset_key", "mosaic", "name", "problem",
    "raster", "raster_collection", "reference", "status", "text_of", "vector",
]  # fmt: skip
