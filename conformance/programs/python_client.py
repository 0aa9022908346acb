"""The Python client under test: configuration on standard input, what came of its calls on standard output.

    python_client.py              the blocking channel
    python_client.py --asyncio    the asyncio channel
"""

import asyncio
import functools
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

CONFORMANCE = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CONFORMANCE.parent / "clients/python/src"), str(CONFORMANCE / "generated")]

import framedrpc  # noqa: E402
import framedrpc.aio  # noqa: E402
import framedrpc.connection  # noqa: E402
from conformance.v1.conformance import AsyncConformanceServiceClient, ConformanceServiceClient  # noqa: E402
from conformance.v1.conformance_pb2 import Instruction, TopicRequest  # noqa: E402

STREAMS = ("Export", "Events", "Watch")


def request_of(call: dict[str, Any]) -> Any:
    if call["method"] in ("Events", "Watch"):
        return TopicRequest(topic=call.get("topic", ""))
    return Instruction(payload=bytes(index % 251 for index in range(call.get("payload_size", 0))))


def options_of(call: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {"metadata": dict(call.get("metadata", [])), "traceparent": call.get("traceparent")}
    if "timeout_ms" in call:
        options["timeout"] = call["timeout_ms"] / 1000
    return options


def checksum(data: bytes) -> int:
    total = 0
    for byte in data:
        total = (total * 31 + byte) & 0xFFFF_FFFF
    return total


def describe(message: Any, event: framedrpc.Event[Any] | None = None) -> dict[str, Any]:
    payload = message.payload if message is not None else b""
    return {
        "size": len(payload), "sum": checksum(payload), "key": event.key if event else "", "seq": event.seq if event else 0,
        "removed": event.removed if event else False, "conflated": event.conflated if event else False,
    }  # fmt: skip


def failed(error: framedrpc.RpcError, messages: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "code": error.code.name, "message": error.message, "refused": error.refused,
        "retry_after_ms": None if error.retry_after is None else round(error.retry_after * 1000),
        "details": [[url, value.hex()] for url, value in error.details],
        "trailers": [[key, value.hex()] for key, value in error.trailers], "messages": messages,
    }  # fmt: skip


def blocking(config: dict[str, Any], channel: framedrpc.Channel) -> list[dict[str, Any]]:
    client = ConformanceServiceClient(channel)

    def one(call: dict[str, Any]) -> dict[str, Any]:
        messages: list[dict[str, Any]] = []
        method = getattr(client, call["method"].lower())
        try:
            if call["method"] in STREAMS:
                stream = method(request_of(call), **options_of(call))
                if "cancel_after_ms" in call:
                    threading.Timer(call["cancel_after_ms"] / 1000, stream.close).start()
                for event in stream:
                    messages.append(describe(event.message, event))
                    if len(messages) == call.get("cancel_after_messages"):
                        stream.close()
                        return {"code": "CANCELLED", "messages": messages}
                    time.sleep(call.get("message_delay_ms", 0) / 1000)
            else:
                if "cancel_after_ms" in call:
                    # A blocking call has one caller, who can only leave with the channel.
                    threading.Timer(call["cancel_after_ms"] / 1000, channel.close).start()
                messages.append(describe(method(request_of(call), **options_of(call))))
        except framedrpc.RpcError as error:
            return failed(error, messages)
        return {"code": "OK", "messages": messages}

    outcomes: list[dict[str, Any]] = []
    for call in config["calls"]:
        time.sleep(call.get("pause_ms", 0) / 1000)
        count = call.get("count", 1)
        with ThreadPoolExecutor(count) as pool:
            outcomes += pool.map(one, [call] * count)
    time.sleep(config.get("linger_ms", 0) / 1000)
    if config.get("linger_ms"):
        # A client without a reader of its own looks at what has arrived before the next call.
        try:
            channel.connection()
        except framedrpc.RpcError:
            pass
    channel.close()
    return outcomes


async def with_asyncio(config: dict[str, Any], channel: framedrpc.AsyncChannel) -> list[dict[str, Any]]:
    client = AsyncConformanceServiceClient(channel)

    async def consume(call: dict[str, Any], messages: list[dict[str, Any]]) -> bool:
        async with getattr(client, call["method"].lower())(request_of(call), **options_of(call)) as stream:
            async for event in stream:
                messages.append(describe(event.message, event))
                if len(messages) == call.get("cancel_after_messages"):
                    return False
                await asyncio.sleep(call.get("message_delay_ms", 0) / 1000)
        return True

    async def one(call: dict[str, Any]) -> dict[str, Any]:
        messages: list[dict[str, Any]] = []
        if call["method"] in STREAMS:
            work = consume(call, messages)
        else:
            work = getattr(client, call["method"].lower())(request_of(call), **options_of(call))
        try:
            result = await asyncio.wait_for(work, call["cancel_after_ms"] / 1000 if "cancel_after_ms" in call else None)
        except framedrpc.RpcError as error:
            return failed(error, messages)
        except TimeoutError:
            return {"code": "CANCELLED", "messages": messages}
        if result is False:
            return {"code": "CANCELLED", "messages": messages}
        return {"code": "OK", "messages": messages if call["method"] in STREAMS else [describe(result)]}

    outcomes: list[dict[str, Any]] = []
    for call in config["calls"]:
        await asyncio.sleep(call.get("pause_ms", 0) / 1000)
        outcomes += await asyncio.gather(*[one(call) for _ in range(call.get("count", 1))])
    await asyncio.sleep(config.get("linger_ms", 0) / 1000)
    await channel.close()
    return outcomes


def main() -> None:
    config = json.load(sys.stdin)
    files = config["credentials"]
    tokens = iter(config.get("tokens", []))
    credentials = framedrpc.Credentials(
        files["certificate"], files["key"], files["authority"], (lambda: next(tokens)) if "tokens" in config else None
    )
    more = {"max_message": config["max_message"]} if "max_message" in config else {}
    if "first_stream" in config:
        for module in (framedrpc.connection, framedrpc.aio):
            module.ClientCore = functools.partial(module.ClientCore, first_stream=config["first_stream"])
    if "--asyncio" in sys.argv[1:]:
        outcomes = asyncio.run(with_asyncio(config, framedrpc.AsyncChannel(config["host"], config["port"], credentials, **more)))
    else:
        outcomes = blocking(config, framedrpc.Channel(config["host"], config["port"], credentials, **more))
    print(json.dumps(outcomes))


main()
