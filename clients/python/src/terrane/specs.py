"""Specs of datasets in a line."""

from pathlib import Path

from .v1.dataset_pb2 import DATASET_TYPE_VECTOR, DatasetSpec, Metadata, VectorOptions, VectorSource


def vector(
    source: str | Path, *, layer: str = "", crs: str = "", encoding: str = "", title: str = "", options: VectorOptions | None = None
) -> DatasetSpec:
    """A dataset of vectors. `source`: a `file://` URL, or a path on the server's machine (made absolute here).

    `layer`: one of the file's; else all. `crs`, `encoding`: of a source that does not say.
    """
    url = source if isinstance(source, str) and "://" in source else Path(source).absolute().as_uri()
    return DatasetSpec(
        type=DATASET_TYPE_VECTOR, vector=VectorSource(url=url, layer=layer, crs=crs, encoding=encoding),
        metadata=Metadata(title=title) if title else None, vector_options=options,
    )  # fmt: skip
