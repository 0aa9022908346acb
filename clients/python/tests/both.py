"""Both channels with one face, so that each test runs on either."""

import asyncio
import threading
from collections.abc import Callable

from framedrpc import AsyncChannel, Channel, Credentials, Event, Method
from methods import WATCH, name
from suite.peer import Peer


class Blocking:
    """The blocking channel, as the tests use both."""

    def __init__(self, peer: Peer, credentials: Credentials, **more: float) -> None:
        self.channel = Channel("127.0.0.1", peer.port, credentials, **more)

    def unary(self, method, request, **more):
        return self.channel.unary(method, request, **more)

    def together(self, method, requests):
        answers = [None] * len(requests)

        def call(index: int) -> None:
            answers[index] = self.channel.unary(method, requests[index])

        threads = [threading.Thread(target=call, args=(index,)) for index in range(len(requests))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        return answers

    def watch(self, count: int | None = None, method: Method = WATCH, **more) -> list[Event]:
        events: list[Event] = []
        for event in self.channel.stream(method, name("w"), **more):
            events.append(event)
            if len(events) == count:
                break
        return events

    def close(self) -> None:
        self.channel.close()


class Asyncio:
    """The asyncio channel on a loop of its own."""

    def __init__(self, peer: Peer, credentials: Credentials, **more: float) -> None:
        self.loop = asyncio.new_event_loop()
        self.channel = AsyncChannel("127.0.0.1", peer.port, credentials, **more)

    def unary(self, method, request, **more):
        return self.loop.run_until_complete(self.channel.unary(method, request, **more))

    def together(self, method, requests):
        async def all_of_them():
            return await asyncio.gather(*[self.channel.unary(method, request) for request in requests])

        return self.loop.run_until_complete(all_of_them())

    def watch(self, count: int | None = None, method: Method = WATCH, **more) -> list[Event]:
        async def collect() -> list[Event]:
            events: list[Event] = []
            async with self.channel.stream(method, name("w"), **more) as stream:
                async for event in stream:
                    events.append(event)
                    if len(events) == count:
                        break
            return events

        return self.loop.run_until_complete(collect())

    def close(self) -> None:
        self.loop.run_until_complete(self.channel.close())
        self.loop.close()


Connect = Callable[..., Blocking | Asyncio]
