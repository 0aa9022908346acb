"""Both clients through a network that splits, delays, drops, resets and half-closes."""

import asyncio
import sys
import threading

import pytest
from support.fault_proxy import Fault, FaultProxy
from support.server import CHECKOUT, Server
from support.waiting import until

sys.path.insert(0, str(CHECKOUT / "clients/python/src"))
import terrane  # noqa: E402
from terrane.v1.dataset_service_pb2 import GetDatasetRequest, ListDatasetsRequest  # noqa: E402

#: Bytes to the client: within its handshake, within the first answer, somewhere in what follows.
PLACES = (900, 2_600, 4_500)


@pytest.fixture(scope="module")
def made(server: Server, sources) -> str:
    server.ready("faults/world/v1", sources / "world.gpkg")
    return "faults/world/v1"


def connect(server: Server, proxy: FaultProxy) -> terrane.Client:
    return terrane.connect(f"127.0.0.1:{proxy.port}", credentials=server.data / "credentials/local-admin", connect_timeout=3)


@pytest.mark.parametrize("fault", [Fault.SPLIT, Fault.DELAY])
def test_bytes_that_come_late_or_alone_are_the_same(server: Server, made: str, fault: Fault) -> None:
    with FaultProxy(server.rpc_port, fault) as proxy:
        with connect(server, proxy) as client:
            assert client.get(made).result.feature_count == 177
            assert [terrane.status(event.message) for event in client.watch(made)][-1] is terrane.Status.READY
            assert made in [terrane.text_of(dataset.name) for dataset in client.list(dataset_id="faults")]
        answer = server.cli("get", made, "--server", f"127.0.0.1:{proxy.port}")
        assert answer.code == 0 and answer.last["result"]["feature_count"] == 177


@pytest.mark.parametrize("after", PLACES)
@pytest.mark.parametrize("fault", [Fault.RESET, Fault.HALF_CLOSE])
def test_a_call_survives_a_broken_connection(server: Server, made: str, fault: Fault, after: int) -> None:
    with FaultProxy(server.rpc_port, fault, after, times=2) as proxy:
        with connect(server, proxy) as client:
            for _ in range(5):
                assert client.get(made).result.feature_count == 177
        assert proxy.connections >= 2

    async def main() -> None:
        with FaultProxy(server.rpc_port, fault, after, times=2) as proxy:
            async with terrane.connect_async(
                f"127.0.0.1:{proxy.port}", credentials=server.data / "credentials/local-admin", connect_timeout=3
            ) as client:
                for _ in range(5):
                    assert (await client.get(made)).result.feature_count == 177
            assert proxy.connections >= 2

    asyncio.run(main())


def test_a_dropped_connection_ends_in_its_deadline(server: Server, made: str) -> None:
    with FaultProxy(server.rpc_port, Fault.DROP, 4_500) as proxy, connect(server, proxy) as client:
        request = GetDatasetRequest(dataset=terrane.reference(made))
        with pytest.raises(terrane.RpcError) as caught:
            for _ in range(8):
                client.datasets.get_dataset(request, timeout=1)
        assert caught.value.code is terrane.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.HALF_CLOSE])
def test_watches_go_on_through_breaks_and_miss_nothing(server: Server, sources, fault: Fault) -> None:
    """The Python client and the command line watch one create, each through connections that break again and again."""
    name = f"faults/{fault.value}/v1"
    with FaultProxy(server.rpc_port, fault, 5_200, times=4) as proxy, FaultProxy(server.rpc_port, fault, 5_200, times=4) as other:
        server.cli("create", name, "--source", str(sources / "world.gpkg"))
        watcher = server.begin_command("watch", name, "--server", f"127.0.0.1:{other.port}", "--timeout", "60")
        statuses: list[terrane.DatasetStatus] = []

        def watch() -> None:
            with connect(server, proxy) as client:
                statuses.extend(event.message for event in client.watch(name, timeout=60) if event.message)

        thread = threading.Thread(target=watch)
        thread.start()
        thread.join(90)
        assert not thread.is_alive() and statuses
        assert terrane.status(statuses[-1]) is terrane.Status.READY
        percents = [status.progress.percent for status in statuses]
        assert percents == sorted(percents)
        assert watcher.end(90) == 0
        assert watcher.statuses[-1]["status"] == "ready"


def test_a_client_that_is_cut_off_holds_nothing_of_the_server(server: Server, made: str) -> None:
    with FaultProxy(server.rpc_port, Fault.RESET, 3_600) as proxy:
        for _ in range(8):
            with connect(server, proxy) as client:
                try:
                    client.datasets.list_datasets(ListDatasetsRequest(), timeout=2)
                    for _ in client.watch(made, follow=True, timeout=0.2):
                        pass
                except terrane.RpcError:
                    pass

    def nothing_is_held() -> bool:
        found = {line["sample"]: line["value"] for line in server.cli("metrics").lines}
        # The one that asks is there, too.
        return found["terrane_watchers"] == 0 and found["framedrpc_server_connections"] <= 2

    until(nothing_is_held, "no watcher and no connection is left", 20)
