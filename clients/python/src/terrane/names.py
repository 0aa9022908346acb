"""Names of datasets, as the command line writes them, and the keys that follow from them."""

import hashlib
import re

from .v1.dataset_pb2 import DatasetName
from .v1.dataset_service_pb2 import DatasetRef

_KEY = re.compile(r"[0-9a-fA-F]{64}\Z")


def name(text: str) -> DatasetName:
    """`dataset/resource/version`, or `@namespace/dataset/resource/version`. Raises ValueError."""
    parts = text.split("/")
    namespace = ""
    if parts[0].startswith("@"):
        namespace = parts.pop(0)[1:]
        if not namespace:
            raise ValueError(f"{text!r} has an empty namespace")
    if len(parts) != 3 or not all(parts):
        raise ValueError(f"{text!r} is not DATASET/RESOURCE/VERSION or @NAMESPACE/DATASET/RESOURCE/VERSION")
    return DatasetName(namespace=namespace, dataset_id=parts[0], resource_id=parts[1], version_id=parts[2])


def text_of(name: DatasetName) -> str:
    """As `name` reads it."""
    scope = "" if name.namespace in ("", "default") else f"@{name.namespace}/"
    return f"{scope}{name.dataset_id}/{name.resource_id}/{name.version_id}"


def reference(dataset: "str | DatasetName | DatasetRef") -> DatasetRef:
    """A dataset by its name, or by its key of 64 hex digits."""
    if isinstance(dataset, DatasetRef):
        return dataset
    if isinstance(dataset, DatasetName):
        return DatasetRef(name=dataset)
    if _KEY.match(dataset):
        return DatasetRef(dataset_key=dataset.lower())
    return DatasetRef(name=name(dataset))


def dataset_key(dataset: "str | DatasetName") -> str:
    """The key a server gives the dataset, computed without asking it: the SHA-256 of `terrane.dataset.v1`, a zero byte, then
    namespace, dataset, resource and version, each as its length (two bytes, big-endian) and its bytes."""
    named = dataset if isinstance(dataset, DatasetName) else name(dataset)
    digest = hashlib.sha256(b"terrane.dataset.v1\0")
    for part in (named.namespace or "default", named.dataset_id, named.resource_id, named.version_id):
        data = part.encode()
        digest.update(len(data).to_bytes(2, "big") + data)
    return digest.hexdigest()
