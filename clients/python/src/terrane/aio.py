"""The asyncio client of a Terrane server."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType

from framedrpc import AsyncChannel, AsyncEventStream

from .client import Named
from .locate import locate
from .names import name as parse_name
from .names import reference
from .outcome import OnProgress, check
from .v1.admin_service import AsyncAdminServiceClient
from .v1.dataset_pb2 import Dataset, DatasetName, DatasetSpec, DatasetStatus
from .v1.dataset_service import AsyncDatasetServiceClient
from .v1.dataset_service_pb2 import (
    CreateDatasetRequest, DatasetRef, DeleteDatasetRequest, GetDatasetRequest, ListDatasetsRequest, ReprocessDatasetRequest,
    WatchStatusRequest,
)  # fmt: skip


class AsyncClient:
    """Datasets of one server, for the tasks of one event loop: what `Client` is for threads."""

    def __init__(self, channel: AsyncChannel) -> None:
        self.channel = channel
        self.datasets = AsyncDatasetServiceClient(channel)
        self.admin = AsyncAdminServiceClient(channel)

    async def create(self, name: str | DatasetName, spec: DatasetSpec, *, request_id: bytes | None = None) -> Dataset:
        """Asks for a dataset; answered at once with its record. An equal request for one that exists is answered with that."""
        request = CreateDatasetRequest(name=parse_name(name) if isinstance(name, str) else name, spec=spec)
        return (await self.datasets.create_dataset(request, request_id=request_id)).dataset

    async def create_and_wait(
        self, name: str | DatasetName, spec: DatasetSpec, *, on_progress: OnProgress | None = None, timeout: float | None = None
    ) -> Dataset:
        """Asks for a dataset and waits until it is served. Raises DatasetFailed, RpcError.

        `on_progress` is called with every status. `timeout`: seconds; the server goes on after them.
        """
        began = time.monotonic()
        dataset = await self.create(name, spec)
        left = None if timeout is None else timeout - (time.monotonic() - began)
        return await self.wait(DatasetRef(dataset_key=dataset.dataset_key), on_progress=on_progress, timeout=left)

    async def wait(self, dataset: Named, *, on_progress: OnProgress | None = None, timeout: float | None = None) -> Dataset:
        """Waits for the operation under way, if there is one. Raises DatasetFailed, RpcError."""
        async with self.watch(dataset, timeout=timeout) as events:
            async for event in events:
                if on_progress and event.message is not None:
                    on_progress(event.message)
        return check(await self.get(dataset))

    def watch(self, dataset: Named, *, follow: bool = False, timeout: float | None = None) -> AsyncEventStream[DatasetStatus]:
        """The newest status and then every change, through breaks and restarts; ends when the operation under way has ended,
        unless `follow`."""
        return self.datasets.watch_status(WatchStatusRequest(dataset=reference(dataset), follow=follow), timeout=timeout)

    async def get(self, dataset: Named) -> Dataset:
        """The record of a dataset."""
        return await self.datasets.get_dataset(GetDatasetRequest(dataset=reference(dataset)))

    async def list(self, *, namespace: str = "", dataset_id: str = "", show_deleted: bool = False) -> AsyncIterator[Dataset]:
        """Every dataset that may be read, the newest first; pages are asked for as they are needed."""
        request = ListDatasetsRequest(namespace=namespace, dataset_id=dataset_id, show_deleted=show_deleted)
        while True:
            page = await self.datasets.list_datasets(request)
            for dataset in page.datasets:
                yield dataset
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def reprocess_and_wait(
        self, dataset: Named, *, on_progress: OnProgress | None = None, timeout: float | None = None
    ) -> Dataset:
        """Builds a served dataset anew from its source as it is now, and waits. Raises DatasetFailed, RpcError."""
        await self.datasets.reprocess_dataset(ReprocessDatasetRequest(dataset=reference(dataset)))
        return await self.wait(dataset, on_progress=on_progress, timeout=timeout)

    async def delete(self, dataset: Named) -> Dataset:
        """Withdraws a dataset; it can be brought back until it is purged."""
        return (await self.datasets.delete_dataset(DeleteDatasetRequest(dataset=reference(dataset)))).dataset

    async def close(self) -> None:
        await self.channel.close()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()


def connect_async(
    server: str | None = None, *, credentials: str | Path | None = None, data: str | Path | None = None, connect_timeout: float = 10.0
) -> AsyncClient:
    """As `connect`, for asyncio."""
    target = locate(server, credentials, data)
    return AsyncClient(AsyncChannel(target.host, target.port, target.credentials, connect_timeout=connect_timeout))
