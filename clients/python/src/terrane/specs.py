"""Specs of datasets in a line."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from .names import name
from .v1.dataset_pb2 import (
    DATASET_TYPE_MOSAIC,
    DATASET_TYPE_RASTER,
    DATASET_TYPE_RASTER_COLLECTION,
    DATASET_TYPE_VECTOR,
    DatasetName,
    DatasetSpec,
    Metadata,
    MosaicSource,
    RasterCollectionSource,
    RasterOptions,
    RasterSource,
    VectorOptions,
    VectorSource,
)


def vector(
    source: str | Path, *, layer: str = "", crs: str = "", encoding: str = "", title: str = "", options: VectorOptions | None = None
) -> DatasetSpec:
    """A dataset of vectors. `source`: a `file://` URL, or a path on the server's machine (made absolute here).

    `layer`: one of the file's; else all. `crs`, `encoding`: of a source that does not say.
    """
    return DatasetSpec(
        type=DATASET_TYPE_VECTOR, vector=VectorSource(url=_url(source), layer=layer, crs=crs, encoding=encoding),
        metadata=Metadata(title=title) if title else None, vector_options=options,
    )  # fmt: skip


def raster(source: str | Path, *, crs: str = "", title: str = "", options: RasterOptions | None = None) -> DatasetSpec:
    """A raster out of a GeoTIFF. `source`: a `file://` URL, or a path on the server's machine (made absolute here).

    `crs`: of a source that does not say. `options`: how it is written and shown; what they leave out is chosen by what the raster is.
    """
    return DatasetSpec(
        type=DATASET_TYPE_RASTER, raster=RasterSource(url=_url(source), crs=crs),
        metadata=Metadata(title=title) if title else None, raster_options=options,
    )  # fmt: skip


def raster_collection(
    sources: str | Sequence[str | Path], *, crs: str = "", title: str = "", tolerant: bool = False, options: RasterOptions | None = None
) -> DatasetSpec:
    """A mosaic of GeoTIFFs that agree in bands, types, CRS and resolution.

    `sources`: a pattern (`/data/scenes/*.tif`, or a `file://` URL of one), or several files, the uppermost first. `tolerant`: files that
    cannot be used are left out with a warning, instead of failing the dataset.
    """
    policy = RasterCollectionSource.POLICY_TOLERANT if tolerant else RasterCollectionSource.POLICY_STRICT
    if isinstance(sources, str):
        pattern = sources if "://" in sources else "file://" + quote(str(Path(sources).absolute()), safe="/*?[]")
        source = RasterCollectionSource(pattern=pattern, crs=crs, policy=policy)
    else:
        source = RasterCollectionSource(urls=[_url(one) for one in sources], crs=crs, policy=policy)
    return DatasetSpec(
        type=DATASET_TYPE_RASTER_COLLECTION, raster_collection=source, metadata=Metadata(title=title) if title else None,
        raster_options=options,
    )  # fmt: skip


def mosaic(datasets: Sequence[str | DatasetName], *, title: str = "", options: RasterOptions | None = None) -> DatasetSpec:
    """A mosaic of rasters and raster collections that are served already, the uppermost first; no pixel is copied.

    `datasets`: `id/resource/version` or `@namespace/…` each. `options`: `colormap` and `rescale` only.
    """
    names = [name(one) if isinstance(one, str) else one for one in datasets]
    return DatasetSpec(
        type=DATASET_TYPE_MOSAIC, mosaic=MosaicSource(datasets=names), metadata=Metadata(title=title) if title else None,
        raster_options=options,
    )  # fmt: skip


def _url(source: str | Path) -> str:
    return source if isinstance(source, str) and "://" in source else Path(source).absolute().as_uri()
