"""Specs of datasets in a line."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, cast
from urllib.parse import quote

from google.protobuf.timestamp_pb2 import Timestamp

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
    ValueRange,
    VectorOptions,
    VectorSource,
)

Resampling = Literal["nearest", "bilinear", "cubic", "average", "mode"]
Compression = Literal["deflate", "zstd", "lzw", "jpeg", "webp", "lerc"]
NullGeometry = Literal["drop", "keep", "fail"]
#: RFC 3339 as a text; a `datetime` without a time zone is in UTC.
Moment = dt.datetime | str
#: The values shown as darkest and lightest: one pair for all bands, or one for each.
Rescale = tuple[float, float] | Sequence[tuple[float, float]]


def vector(
    source: str | Path, *, layer: str = "", crs: str = "", encoding: str = "",
    null_geometry: NullGeometry | None = None, max_rejects: int | None = None,
    title: str = "", description: str = "", attribution: str = "", license: str = "", keywords: Sequence[str] = (),
    datetime: Moment | None = None, options: VectorOptions | None = None,
) -> DatasetSpec:  # fmt: skip
    """A dataset of vectors. `source`: a `file://` URL, or a path on the server's machine (made absolute here).

    `layer`: one of the file's; else all. `crs`, `encoding`: of a source that does not say. `null_geometry`: what becomes of features
    without geometry (`drop`, unless said otherwise). `max_rejects`: records that may be unreadable before the dataset fails (0).

    `title`, `description`, `attribution`, `license` (an SPDX identifier) and `keywords` are shown with it. `datetime`: the time the data
    speaks of, as a `datetime` or RFC 3339 text; else that of publishing. `options`: the message itself, which the arguments change.
    """
    chosen = VectorOptions()
    if options is not None:
        chosen.CopyFrom(options)
    if null_geometry is not None:
        chosen.MergeFrom(VectorOptions(null_geometry=f"NULL_GEOMETRY_{null_geometry.upper()}"))
    if max_rejects is not None:
        chosen.max_rejects = max_rejects
    return DatasetSpec(
        type=DATASET_TYPE_VECTOR, vector=VectorSource(url=_url(source), layer=layer, crs=crs, encoding=encoding),
        metadata=_metadata(title, description, attribution, license, keywords, datetime),
        vector_options=chosen if options is not None or chosen != VectorOptions() else None,
    )  # fmt: skip


def raster(
    source: str | Path, *, crs: str = "",
    target_crs: str | None = None, resolution: float | None = None, resampling: Resampling | None = None,
    compression: Compression | None = None, colormap: str | None = None, rescale: Rescale | None = None,
    enable_tiles: bool | None = None, generate_statistics: bool | None = None, build_overviews: bool | None = None,
    title: str = "", description: str = "", attribution: str = "", license: str = "", keywords: Sequence[str] = (),
    datetime: Moment | None = None, options: RasterOptions | None = None,
) -> DatasetSpec:  # fmt: skip
    """A raster out of a GeoTIFF. `source`: a `file://` URL, or a path on the server's machine (made absolute here).

    `crs`: of a source that does not say. How it is written and shown is chosen by what the raster is, unless said here:

    - `target_crs` (`EPSG:3857`), `resolution` (of a pixel, in its units), `resampling`: pixels are moved.
    - `compression`: of the file. `generate_statistics`, `build_overviews`: False leaves them out.
    - `colormap` (`viridis`, `terrain`, …) of a single band; `rescale`: `(0, 4000)`, the values shown as darkest and lightest, or a pair
      for each band.
    - `enable_tiles`: draws the tiles of the low zooms beforehand.

    `title`, `description`, `attribution`, `license` (an SPDX identifier) and `keywords` are shown with it. `datetime`: the time the data
    speaks of, as a `datetime` or RFC 3339 text; else that of publishing. `options`: the message itself, which the arguments change.
    """
    return DatasetSpec(
        type=DATASET_TYPE_RASTER, raster=RasterSource(url=_url(source), crs=crs),
        metadata=_metadata(title, description, attribution, license, keywords, datetime),
        raster_options=_raster_options(
            options, target_crs, resolution, resampling, compression, colormap, rescale, enable_tiles, generate_statistics,
            build_overviews,
        ),
    )  # fmt: skip


def raster_collection(
    sources: str | Sequence[str | Path], *, crs: str = "", tolerant: bool = False,
    target_crs: str | None = None, resolution: float | None = None, resampling: Resampling | None = None,
    compression: Compression | None = None, colormap: str | None = None, rescale: Rescale | None = None,
    enable_tiles: bool | None = None, generate_statistics: bool | None = None, build_overviews: bool | None = None,
    title: str = "", description: str = "", attribution: str = "", license: str = "", keywords: Sequence[str] = (),
    datetime: Moment | None = None, options: RasterOptions | None = None,
) -> DatasetSpec:  # fmt: skip
    """A mosaic of GeoTIFFs that agree in bands, types, CRS and resolution.

    `sources`: a pattern (`/data/scenes/*.tif`, or a `file://` URL of one), or several files, the uppermost first. `tolerant`: files that
    cannot be used are left out with a warning, instead of failing the dataset. All else is as of `raster`, and for each file.
    """
    policy = RasterCollectionSource.POLICY_TOLERANT if tolerant else RasterCollectionSource.POLICY_STRICT
    if isinstance(sources, str):
        pattern = sources if "://" in sources else "file://" + quote(str(Path(sources).absolute()), safe="/*?[]")
        source = RasterCollectionSource(pattern=pattern, crs=crs, policy=policy)
    else:
        source = RasterCollectionSource(urls=[_url(one) for one in sources], crs=crs, policy=policy)
    return DatasetSpec(
        type=DATASET_TYPE_RASTER_COLLECTION, raster_collection=source,
        metadata=_metadata(title, description, attribution, license, keywords, datetime),
        raster_options=_raster_options(
            options, target_crs, resolution, resampling, compression, colormap, rescale, enable_tiles, generate_statistics,
            build_overviews,
        ),
    )  # fmt: skip


def mosaic(
    datasets: Sequence[str | DatasetName], *,
    colormap: str | None = None, rescale: Rescale | None = None, enable_tiles: bool | None = None,
    title: str = "", description: str = "", attribution: str = "", license: str = "", keywords: Sequence[str] = (),
    datetime: Moment | None = None, options: RasterOptions | None = None,
) -> DatasetSpec:  # fmt: skip
    """A mosaic of rasters and raster collections that are served already, the uppermost first; no pixel is copied.

    `datasets`: `id/resource/version` or `@namespace/…` each. How it is shown may be chosen by `colormap`, `rescale` and `enable_tiles`,
    as of `raster`; how it is written may not: its datasets are written already. `options` may hold those three only. All else is as of
    `raster`.
    """
    names = [name(one) if isinstance(one, str) else one for one in datasets]
    return DatasetSpec(
        type=DATASET_TYPE_MOSAIC, mosaic=MosaicSource(datasets=names),
        metadata=_metadata(title, description, attribution, license, keywords, datetime),
        raster_options=_raster_options(options, colormap=colormap, rescale=rescale, enable_tiles=enable_tiles),
    )  # fmt: skip


def _metadata(
    title: str, description: str, attribution: str, license: str, keywords: Sequence[str], datetime: Moment | None
) -> Metadata | None:
    if isinstance(keywords, str):
        raise ValueError("keywords are several: give a list")
    made = Metadata(title=title, description=description, attribution=attribution, license=license, keywords=keywords)
    if datetime is not None:
        made.datetime.CopyFrom(_timestamp(datetime))
    return made if made != Metadata() else None


def _timestamp(moment: Moment) -> Timestamp:
    """Raises ValueError."""
    made = Timestamp()
    if isinstance(moment, dt.datetime):
        made.FromDatetime(moment)
    else:
        made.FromJsonString(moment)
    return made


def _raster_options(
    options: RasterOptions | None, target_crs: str | None = None, resolution: float | None = None,
    resampling: Resampling | None = None, compression: Compression | None = None, colormap: str | None = None,
    rescale: Rescale | None = None, enable_tiles: bool | None = None, generate_statistics: bool | None = None,
    build_overviews: bool | None = None,
) -> RasterOptions | None:  # fmt: skip
    """`options` with what is given changed; None where nothing is said at all. Raises ValueError."""
    made = RasterOptions()
    if options is not None:
        made.CopyFrom(options)
    if resolution is not None and not resolution > 0:
        # The request's 0 means that none was given.
        raise ValueError(f"resolution is a size above 0, not {resolution}")
    if resampling is not None:
        made.MergeFrom(RasterOptions(resampling=f"RESAMPLING_{resampling.upper()}"))
    if compression is not None:
        made.MergeFrom(RasterOptions(compression=f"COMPRESSION_{compression.upper()}"))
    if rescale is not None:
        del made.rescale[:]
        made.rescale.extend(ValueRange(minimum=low, maximum=high) for low, high in _ranges(rescale))
    for field, value in (
        ("target_crs", target_crs), ("resolution", resolution), ("colormap", colormap), ("enable_tiles", enable_tiles),
        ("generate_statistics", generate_statistics), ("build_overviews", build_overviews),
    ):  # fmt: skip
        if value is not None:
            setattr(made, field, value)
    return made if options is not None or made != RasterOptions() else None


def _ranges(rescale: Rescale) -> Sequence[tuple[float, float]]:
    is_one = len(rescale) > 0 and not hasattr(rescale[0], "__len__")
    return cast(Sequence[tuple[float, float]], [rescale] if is_one else rescale)


def _url(source: str | Path) -> str:
    return source if isinstance(source, str) and "://" in source else Path(source).absolute().as_uri()
