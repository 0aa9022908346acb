"""The blocking client of a Terrane server."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from framedrpc import Channel, EventStream

from .locate import locate
from .names import name as parse_name
from .names import reference
from .outcome import OnProgress, check
from .v1.admin_service import AdminServiceClient
from .v1.dataset_pb2 import Dataset, DatasetName, DatasetSpec, DatasetStatus
from .v1.dataset_service import DatasetServiceClient
from .v1.dataset_service_pb2 import (
    CreateDatasetRequest, DatasetRef, DeleteDatasetRequest, GetDatasetRequest, ListDatasetsRequest, ReprocessDatasetRequest,
    WatchStatusRequest,
)  # fmt: skip

Named = str | DatasetName | DatasetRef


class Client:
    """Datasets of one server. `datasets` and `admin` are all of its calls; the methods here are the usual ones, with names as
    the command line writes them. For any number of threads."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.datasets = DatasetServiceClient(channel)
        self.admin = AdminServiceClient(channel)

    def create(self, name: str | DatasetName, spec: DatasetSpec, *, request_id: bytes | None = None) -> Dataset:
        """Asks for a dataset; answered at once with its record. An equal request for one that exists is answered with that."""
        request = CreateDatasetRequest(name=parse_name(name) if isinstance(name, str) else name, spec=spec)
        return self.datasets.create_dataset(request, request_id=request_id).dataset

    def create_and_wait(
        self, name: str | DatasetName, spec: DatasetSpec, *, on_progress: OnProgress | None = None, timeout: float | None = None
    ) -> Dataset:
        """Asks for a dataset and waits until it is served. Raises DatasetFailed, RpcError.

        `on_progress` is called with every status. `timeout`: seconds; the server goes on after them.
        """
        began = time.monotonic()
        dataset = self.create(name, spec)
        left = None if timeout is None else timeout - (time.monotonic() - began)
        return self.wait(DatasetRef(dataset_key=dataset.dataset_key), on_progress=on_progress, timeout=left)

    def wait(self, dataset: Named, *, on_progress: OnProgress | None = None, timeout: float | None = None) -> Dataset:
        """Waits for the operation under way, if there is one. Raises DatasetFailed, RpcError."""
        with self.watch(dataset, timeout=timeout) as events:
            for event in events:
                if on_progress and event.message is not None:
                    on_progress(event.message)
        return check(self.get(dataset))

    def watch(self, dataset: Named, *, follow: bool = False, timeout: float | None = None) -> EventStream[DatasetStatus]:
        """The newest status and then every change, through breaks and restarts; ends when the operation under way has ended,
        unless `follow`."""
        return self.datasets.watch_status(WatchStatusRequest(dataset=reference(dataset), follow=follow), timeout=timeout)

    def get(self, dataset: Named) -> Dataset:
        """The record of a dataset."""
        return self.datasets.get_dataset(GetDatasetRequest(dataset=reference(dataset)))

    def list(self, *, namespace: str = "", dataset_id: str = "", show_deleted: bool = False) -> Iterator[Dataset]:
        """Every dataset that may be read, the newest first; pages are asked for as they are needed."""
        request = ListDatasetsRequest(namespace=namespace, dataset_id=dataset_id, show_deleted=show_deleted)
        while True:
            page = self.datasets.list_datasets(request)
            yield from page.datasets
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def reprocess_and_wait(
        self, dataset: Named, *, on_progress: OnProgress | None = None, timeout: float | None = None
    ) -> Dataset:
        """Builds a served dataset anew from its source as it is now, and waits. Raises DatasetFailed, RpcError."""
        self.datasets.reprocess_dataset(ReprocessDatasetRequest(dataset=reference(dataset)))
        return self.wait(dataset, on_progress=on_progress, timeout=timeout)

    def delete(self, dataset: Named) -> Dataset:
        """Withdraws a dataset; it can be brought back until it is purged."""
        return self.datasets.delete_dataset(DeleteDatasetRequest(dataset=reference(dataset))).dataset

    def close(self) -> None:
        self.channel.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def connect(
    server: str | None = None, *, credentials: str | Path | None = None, data: str | Path | None = None, connect_timeout: float = 10.0
) -> Client:
    """A client of the server that is named, else of the one TERRANE_SERVER names, else of the one on this machine.

    `server`: HOST:PORT. `credentials`: a folder of client.pem, client.key and ca.pem. `data`: the data directory of a server
    on this machine. Connects when first needed. Raises NoServer, ValueError.
    """
    target = locate(server, credentials, data)
    return Client(Channel(target.host, target.port, target.credentials, connect_timeout=connect_timeout))
