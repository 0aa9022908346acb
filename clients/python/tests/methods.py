"""Methods for the tests, on messages that are there anyway."""

from framedrpc import Idempotency, Method, StreamMode
from terrane.v1.dataset_pb2 import DatasetName, DatasetStatus

UNARY = Method("test.Service/Unary", DatasetName, DatasetName, default_timeout=20)
IDEMPOTENT = Method("test.Service/Idempotent", DatasetName, DatasetName, idempotency=Idempotency.IDEMPOTENT, default_timeout=20)
NAMED = Method("test.Service/Named", DatasetName, DatasetName, idempotency=Idempotency.REQUEST_ID, default_timeout=20)
WATCH = Method("test.Service/Watch", DatasetName, DatasetStatus, stream=StreamMode.LATEST, key_field="dataset_key")

#: Every message once; EXPORT is BLOCK, which has no place to resume from unless the server says so.
EVENTS = Method("test.Service/Events", DatasetName, DatasetStatus, stream=StreamMode.QUEUE)
EXPORT = Method("test.Service/Export", DatasetName, DatasetStatus, stream=StreamMode.BLOCK)


def name(text: str) -> DatasetName:
    return DatasetName(dataset_id=text)


def status(key: str, generation: int) -> bytes:
    return DatasetStatus(dataset_key=key, generation=generation).SerializeToString()
