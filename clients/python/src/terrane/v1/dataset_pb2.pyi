from google.protobuf import timestamp_pb2 as _timestamp_pb2
from terrane.v1 import problem_pb2 as _problem_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DATASET_STATE_DELETED: DatasetState
DATASET_STATE_DEPRECATED: DatasetState
DATASET_STATE_DRAFT: DatasetState
DATASET_STATE_PUBLISHED: DatasetState
DATASET_STATE_PURGED: DatasetState
DATASET_STATE_PURGING: DatasetState
DATASET_STATE_UNSPECIFIED: DatasetState
DATASET_TYPE_LARGE_RASTER: DatasetType
DATASET_TYPE_MOSAIC: DatasetType
DATASET_TYPE_RASTER: DatasetType
DATASET_TYPE_RASTER_COLLECTION: DatasetType
DATASET_TYPE_UNSPECIFIED: DatasetType
DATASET_TYPE_VECTOR: DatasetType
DESCRIPTOR: _descriptor.FileDescriptor
OPERATION_STATE_CANCELLED: OperationState
OPERATION_STATE_CANCELLING: OperationState
OPERATION_STATE_FAILED: OperationState
OPERATION_STATE_INPUT_REQUIRED: OperationState
OPERATION_STATE_QUEUED: OperationState
OPERATION_STATE_RUNNING: OperationState
OPERATION_STATE_SUCCEEDED: OperationState
OPERATION_STATE_UNSPECIFIED: OperationState
STATUS_CANCELLED: Status
STATUS_DELETED: Status
STATUS_DEPRECATED: Status
STATUS_FAILED: Status
STATUS_INPUT_REQUIRED: Status
STATUS_PROCESSING: Status
STATUS_PROVISIONING: Status
STATUS_READY: Status
STATUS_REQUESTED: Status
STATUS_UNSPECIFIED: Status
STATUS_UPDATING: Status

class BandStatistics(_message.Message):
    __slots__ = ["maximum", "mean", "minimum", "standard_deviation", "valid_share"]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    STANDARD_DEVIATION_FIELD_NUMBER: _ClassVar[int]
    VALID_SHARE_FIELD_NUMBER: _ClassVar[int]
    maximum: float
    mean: float
    minimum: float
    standard_deviation: float
    valid_share: float
    def __init__(self, minimum: _Optional[float] = ..., maximum: _Optional[float] = ..., mean: _Optional[float] = ..., standard_deviation: _Optional[float] = ..., valid_share: _Optional[float] = ...) -> None: ...

class BoundingBox(_message.Message):
    __slots__ = ["east", "north", "south", "west"]
    EAST_FIELD_NUMBER: _ClassVar[int]
    NORTH_FIELD_NUMBER: _ClassVar[int]
    SOUTH_FIELD_NUMBER: _ClassVar[int]
    WEST_FIELD_NUMBER: _ClassVar[int]
    east: float
    north: float
    south: float
    west: float
    def __init__(self, west: _Optional[float] = ..., south: _Optional[float] = ..., east: _Optional[float] = ..., north: _Optional[float] = ...) -> None: ...

class Capabilities(_message.Message):
    __slots__ = ["map_tiles", "ogc_features", "stac", "vector_tiles"]
    MAP_TILES_FIELD_NUMBER: _ClassVar[int]
    OGC_FEATURES_FIELD_NUMBER: _ClassVar[int]
    STAC_FIELD_NUMBER: _ClassVar[int]
    VECTOR_TILES_FIELD_NUMBER: _ClassVar[int]
    map_tiles: bool
    ogc_features: bool
    stac: bool
    vector_tiles: bool
    def __init__(self, ogc_features: bool = ..., vector_tiles: bool = ..., map_tiles: bool = ..., stac: bool = ...) -> None: ...

class Column(_message.Message):
    __slots__ = ["frequent_values", "maximum", "minimum", "name", "null_count", "source_name", "type"]
    FREQUENT_VALUES_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NULL_COUNT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    frequent_values: _containers.RepeatedCompositeFieldContainer[FrequentValue]
    maximum: str
    minimum: str
    name: str
    null_count: int
    source_name: str
    type: str
    def __init__(self, name: _Optional[str] = ..., source_name: _Optional[str] = ..., type: _Optional[str] = ..., null_count: _Optional[int] = ..., minimum: _Optional[str] = ..., maximum: _Optional[str] = ..., frequent_values: _Optional[_Iterable[_Union[FrequentValue, _Mapping]]] = ...) -> None: ...

class CsvColumns(_message.Message):
    __slots__ = ["latitude", "longitude", "wkt"]
    LATITUDE_FIELD_NUMBER: _ClassVar[int]
    LONGITUDE_FIELD_NUMBER: _ClassVar[int]
    WKT_FIELD_NUMBER: _ClassVar[int]
    latitude: str
    longitude: str
    wkt: str
    def __init__(self, longitude: _Optional[str] = ..., latitude: _Optional[str] = ..., wkt: _Optional[str] = ...) -> None: ...

class Dataset(_message.Message):
    __slots__ = ["create_time", "dataset_key", "delete_time", "epoch", "generation", "last_operation", "name", "operation", "problem", "progress", "purge_time", "result", "spec", "state", "status", "status_seq", "update_time", "warnings"]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    DATASET_KEY_FIELD_NUMBER: _ClassVar[int]
    DELETE_TIME_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    LAST_OPERATION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    PURGE_TIME_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    SPEC_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STATUS_SEQ_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    create_time: _timestamp_pb2.Timestamp
    dataset_key: str
    delete_time: _timestamp_pb2.Timestamp
    epoch: int
    generation: int
    last_operation: Operation
    name: DatasetName
    operation: Operation
    problem: _problem_pb2.Problem
    progress: Progress
    purge_time: _timestamp_pb2.Timestamp
    result: DatasetResult
    spec: DatasetSpec
    state: DatasetState
    status: Status
    status_seq: int
    update_time: _timestamp_pb2.Timestamp
    warnings: _containers.RepeatedCompositeFieldContainer[_problem_pb2.WarningCount]
    def __init__(self, dataset_key: _Optional[str] = ..., name: _Optional[_Union[DatasetName, _Mapping]] = ..., generation: _Optional[int] = ..., status: _Optional[_Union[Status, str]] = ..., state: _Optional[_Union[DatasetState, str]] = ..., spec: _Optional[_Union[DatasetSpec, _Mapping]] = ..., operation: _Optional[_Union[Operation, _Mapping]] = ..., last_operation: _Optional[_Union[Operation, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., problem: _Optional[_Union[_problem_pb2.Problem, _Mapping]] = ..., warnings: _Optional[_Iterable[_Union[_problem_pb2.WarningCount, _Mapping]]] = ..., result: _Optional[_Union[DatasetResult, _Mapping]] = ..., status_seq: _Optional[int] = ..., epoch: _Optional[int] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., delete_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., purge_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DatasetName(_message.Message):
    __slots__ = ["dataset_id", "namespace", "resource_id", "version_id"]
    DATASET_ID_FIELD_NUMBER: _ClassVar[int]
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    RESOURCE_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_ID_FIELD_NUMBER: _ClassVar[int]
    dataset_id: str
    namespace: str
    resource_id: str
    version_id: str
    def __init__(self, namespace: _Optional[str] = ..., dataset_id: _Optional[str] = ..., resource_id: _Optional[str] = ..., version_id: _Optional[str] = ...) -> None: ...

class DatasetResult(_message.Message):
    __slots__ = ["bbox", "build", "capabilities", "collections", "crs", "docs_url", "endpoint", "feature_count", "publish_time", "rasters", "stac_collection_url", "stac_item_url", "treatment"]
    BBOX_FIELD_NUMBER: _ClassVar[int]
    BUILD_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    COLLECTIONS_FIELD_NUMBER: _ClassVar[int]
    CRS_FIELD_NUMBER: _ClassVar[int]
    DOCS_URL_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    FEATURE_COUNT_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_TIME_FIELD_NUMBER: _ClassVar[int]
    RASTERS_FIELD_NUMBER: _ClassVar[int]
    STAC_COLLECTION_URL_FIELD_NUMBER: _ClassVar[int]
    STAC_ITEM_URL_FIELD_NUMBER: _ClassVar[int]
    TREATMENT_FIELD_NUMBER: _ClassVar[int]
    bbox: BoundingBox
    build: int
    capabilities: Capabilities
    collections: _containers.RepeatedCompositeFieldContainer[ServedCollection]
    crs: str
    docs_url: str
    endpoint: str
    feature_count: int
    publish_time: _timestamp_pb2.Timestamp
    rasters: _containers.RepeatedCompositeFieldContainer[ServedRaster]
    stac_collection_url: str
    stac_item_url: str
    treatment: Treatment
    def __init__(self, endpoint: _Optional[str] = ..., docs_url: _Optional[str] = ..., stac_item_url: _Optional[str] = ..., stac_collection_url: _Optional[str] = ..., capabilities: _Optional[_Union[Capabilities, _Mapping]] = ..., bbox: _Optional[_Union[BoundingBox, _Mapping]] = ..., crs: _Optional[str] = ..., feature_count: _Optional[int] = ..., collections: _Optional[_Iterable[_Union[ServedCollection, _Mapping]]] = ..., treatment: _Optional[_Union[Treatment, _Mapping]] = ..., build: _Optional[int] = ..., publish_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., rasters: _Optional[_Iterable[_Union[ServedRaster, _Mapping]]] = ...) -> None: ...

class DatasetSpec(_message.Message):
    __slots__ = ["metadata", "mosaic", "raster", "raster_collection", "raster_options", "type", "vector", "vector_options", "visibility"]
    class Visibility(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = []
    METADATA_FIELD_NUMBER: _ClassVar[int]
    MOSAIC_FIELD_NUMBER: _ClassVar[int]
    RASTER_COLLECTION_FIELD_NUMBER: _ClassVar[int]
    RASTER_FIELD_NUMBER: _ClassVar[int]
    RASTER_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    VECTOR_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    VISIBILITY_FIELD_NUMBER: _ClassVar[int]
    VISIBILITY_PRIVATE: DatasetSpec.Visibility
    VISIBILITY_PUBLIC: DatasetSpec.Visibility
    VISIBILITY_UNSPECIFIED: DatasetSpec.Visibility
    metadata: Metadata
    mosaic: MosaicSource
    raster: RasterSource
    raster_collection: RasterCollectionSource
    raster_options: RasterOptions
    type: DatasetType
    vector: VectorSource
    vector_options: VectorOptions
    visibility: DatasetSpec.Visibility
    def __init__(self, type: _Optional[_Union[DatasetType, str]] = ..., vector: _Optional[_Union[VectorSource, _Mapping]] = ..., raster: _Optional[_Union[RasterSource, _Mapping]] = ..., raster_collection: _Optional[_Union[RasterCollectionSource, _Mapping]] = ..., mosaic: _Optional[_Union[MosaicSource, _Mapping]] = ..., metadata: _Optional[_Union[Metadata, _Mapping]] = ..., vector_options: _Optional[_Union[VectorOptions, _Mapping]] = ..., visibility: _Optional[_Union[DatasetSpec.Visibility, str]] = ..., raster_options: _Optional[_Union[RasterOptions, _Mapping]] = ...) -> None: ...

class DatasetStatus(_message.Message):
    __slots__ = ["dataset_key", "generation", "name", "operation", "problem", "progress", "result", "status", "update_time", "warnings"]
    DATASET_KEY_FIELD_NUMBER: _ClassVar[int]
    GENERATION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    OPERATION_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    dataset_key: str
    generation: int
    name: DatasetName
    operation: Operation
    problem: _problem_pb2.Problem
    progress: Progress
    result: DatasetResult
    status: Status
    update_time: _timestamp_pb2.Timestamp
    warnings: _containers.RepeatedCompositeFieldContainer[_problem_pb2.WarningCount]
    def __init__(self, dataset_key: _Optional[str] = ..., generation: _Optional[int] = ..., status: _Optional[_Union[Status, str]] = ..., operation: _Optional[_Union[Operation, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., problem: _Optional[_Union[_problem_pb2.Problem, _Mapping]] = ..., warnings: _Optional[_Iterable[_Union[_problem_pb2.WarningCount, _Mapping]]] = ..., result: _Optional[_Union[DatasetResult, _Mapping]] = ..., name: _Optional[_Union[DatasetName, _Mapping]] = ..., update_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class FrequentValue(_message.Message):
    __slots__ = ["share", "value"]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    share: float
    value: str
    def __init__(self, value: _Optional[str] = ..., share: _Optional[float] = ...) -> None: ...

class Metadata(_message.Message):
    __slots__ = ["attribution", "datetime", "description", "keywords", "license", "title"]
    ATTRIBUTION_FIELD_NUMBER: _ClassVar[int]
    DATETIME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    KEYWORDS_FIELD_NUMBER: _ClassVar[int]
    LICENSE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    attribution: str
    datetime: _timestamp_pb2.Timestamp
    description: str
    keywords: _containers.RepeatedScalarFieldContainer[str]
    license: str
    title: str
    def __init__(self, title: _Optional[str] = ..., description: _Optional[str] = ..., attribution: _Optional[str] = ..., license: _Optional[str] = ..., keywords: _Optional[_Iterable[str]] = ..., datetime: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class MosaicSource(_message.Message):
    __slots__ = ["datasets"]
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    datasets: _containers.RepeatedCompositeFieldContainer[DatasetName]
    def __init__(self, datasets: _Optional[_Iterable[_Union[DatasetName, _Mapping]]] = ...) -> None: ...

class Operation(_message.Message):
    __slots__ = ["create_time", "end_time", "id", "kind", "problem", "retry_of", "start_time", "state"]
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = []
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_CREATE: Operation.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    KIND_UNSPECIFIED: Operation.Kind
    KIND_UPDATE: Operation.Kind
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    RETRY_OF_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    create_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    id: int
    kind: Operation.Kind
    problem: _problem_pb2.Problem
    retry_of: int
    start_time: _timestamp_pb2.Timestamp
    state: OperationState
    def __init__(self, id: _Optional[int] = ..., state: _Optional[_Union[OperationState, str]] = ..., kind: _Optional[_Union[Operation.Kind, str]] = ..., create_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[_timestamp_pb2.Timestamp, _Mapping]] = ..., retry_of: _Optional[int] = ..., problem: _Optional[_Union[_problem_pb2.Problem, _Mapping]] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ["done", "eta_basis", "eta_seconds", "message", "percent", "rate", "step", "step_count", "step_number", "total", "unit"]
    DONE_FIELD_NUMBER: _ClassVar[int]
    ETA_BASIS_FIELD_NUMBER: _ClassVar[int]
    ETA_SECONDS_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    STEP_COUNT_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    STEP_NUMBER_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    done: int
    eta_basis: str
    eta_seconds: float
    message: str
    percent: float
    rate: float
    step: str
    step_count: int
    step_number: int
    total: int
    unit: str
    def __init__(self, percent: _Optional[float] = ..., step: _Optional[str] = ..., step_number: _Optional[int] = ..., step_count: _Optional[int] = ..., message: _Optional[str] = ..., done: _Optional[int] = ..., total: _Optional[int] = ..., unit: _Optional[str] = ..., rate: _Optional[float] = ..., eta_seconds: _Optional[float] = ..., eta_basis: _Optional[str] = ...) -> None: ...

class RasterBand(_message.Message):
    __slots__ = ["colour", "description", "nodata", "offset", "scale", "statistics", "type", "unit"]
    COLOUR_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    NODATA_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    SCALE_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    colour: str
    description: str
    nodata: str
    offset: float
    scale: float
    statistics: BandStatistics
    type: str
    unit: str
    def __init__(self, type: _Optional[str] = ..., colour: _Optional[str] = ..., nodata: _Optional[str] = ..., unit: _Optional[str] = ..., description: _Optional[str] = ..., statistics: _Optional[_Union[BandStatistics, _Mapping]] = ..., scale: _Optional[float] = ..., offset: _Optional[float] = ...) -> None: ...

class RasterCollectionSource(_message.Message):
    __slots__ = ["crs", "pattern", "policy", "urls"]
    class Policy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = []
    CRS_FIELD_NUMBER: _ClassVar[int]
    PATTERN_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    POLICY_STRICT: RasterCollectionSource.Policy
    POLICY_TOLERANT: RasterCollectionSource.Policy
    POLICY_UNSPECIFIED: RasterCollectionSource.Policy
    URLS_FIELD_NUMBER: _ClassVar[int]
    crs: str
    pattern: str
    policy: RasterCollectionSource.Policy
    urls: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, pattern: _Optional[str] = ..., urls: _Optional[_Iterable[str]] = ..., crs: _Optional[str] = ..., policy: _Optional[_Union[RasterCollectionSource.Policy, str]] = ...) -> None: ...

class RasterOptions(_message.Message):
    __slots__ = ["build_overviews", "colormap", "compression", "enable_tiles", "generate_statistics", "resampling", "rescale", "resolution", "target_crs"]
    class Compression(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = []
    class Resampling(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = []
    BUILD_OVERVIEWS_FIELD_NUMBER: _ClassVar[int]
    COLORMAP_FIELD_NUMBER: _ClassVar[int]
    COMPRESSION_DEFLATE: RasterOptions.Compression
    COMPRESSION_FIELD_NUMBER: _ClassVar[int]
    COMPRESSION_JPEG: RasterOptions.Compression
    COMPRESSION_LERC: RasterOptions.Compression
    COMPRESSION_LZW: RasterOptions.Compression
    COMPRESSION_UNSPECIFIED: RasterOptions.Compression
    COMPRESSION_WEBP: RasterOptions.Compression
    COMPRESSION_ZSTD: RasterOptions.Compression
    ENABLE_TILES_FIELD_NUMBER: _ClassVar[int]
    GENERATE_STATISTICS_FIELD_NUMBER: _ClassVar[int]
    RESAMPLING_AVERAGE: RasterOptions.Resampling
    RESAMPLING_BILINEAR: RasterOptions.Resampling
    RESAMPLING_CUBIC: RasterOptions.Resampling
    RESAMPLING_FIELD_NUMBER: _ClassVar[int]
    RESAMPLING_MODE: RasterOptions.Resampling
    RESAMPLING_NEAREST: RasterOptions.Resampling
    RESAMPLING_UNSPECIFIED: RasterOptions.Resampling
    RESCALE_FIELD_NUMBER: _ClassVar[int]
    RESOLUTION_FIELD_NUMBER: _ClassVar[int]
    TARGET_CRS_FIELD_NUMBER: _ClassVar[int]
    build_overviews: bool
    colormap: str
    compression: RasterOptions.Compression
    enable_tiles: bool
    generate_statistics: bool
    resampling: RasterOptions.Resampling
    rescale: _containers.RepeatedCompositeFieldContainer[ValueRange]
    resolution: float
    target_crs: str
    def __init__(self, target_crs: _Optional[str] = ..., resolution: _Optional[float] = ..., resampling: _Optional[_Union[RasterOptions.Resampling, str]] = ..., compression: _Optional[_Union[RasterOptions.Compression, str]] = ..., generate_statistics: bool = ..., build_overviews: bool = ..., colormap: _Optional[str] = ..., rescale: _Optional[_Iterable[_Union[ValueRange, _Mapping]]] = ..., enable_tiles: bool = ...) -> None: ...

class RasterSource(_message.Message):
    __slots__ = ["crs", "url"]
    CRS_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    crs: str
    url: str
    def __init__(self, url: _Optional[str] = ..., crs: _Optional[str] = ...) -> None: ...

class RasterTreatment(_message.Message):
    __slots__ = ["compression", "lossy", "nodata_share", "overviews", "resampling", "source_height", "source_width"]
    COMPRESSION_FIELD_NUMBER: _ClassVar[int]
    LOSSY_FIELD_NUMBER: _ClassVar[int]
    NODATA_SHARE_FIELD_NUMBER: _ClassVar[int]
    OVERVIEWS_FIELD_NUMBER: _ClassVar[int]
    RESAMPLING_FIELD_NUMBER: _ClassVar[int]
    SOURCE_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_WIDTH_FIELD_NUMBER: _ClassVar[int]
    compression: str
    lossy: bool
    nodata_share: float
    overviews: int
    resampling: str
    source_height: int
    source_width: int
    def __init__(self, source_width: _Optional[int] = ..., source_height: _Optional[int] = ..., nodata_share: _Optional[float] = ..., compression: _Optional[str] = ..., lossy: bool = ..., resampling: _Optional[str] = ..., overviews: _Optional[int] = ...) -> None: ...

class ServedCollection(_message.Message):
    __slots__ = ["bbox", "column_count", "columns", "feature_count", "geometry_type", "id", "items_url", "tiles_url", "title"]
    BBOX_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    COLUMN_COUNT_FIELD_NUMBER: _ClassVar[int]
    FEATURE_COUNT_FIELD_NUMBER: _ClassVar[int]
    GEOMETRY_TYPE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    ITEMS_URL_FIELD_NUMBER: _ClassVar[int]
    TILES_URL_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    bbox: BoundingBox
    column_count: int
    columns: _containers.RepeatedCompositeFieldContainer[Column]
    feature_count: int
    geometry_type: str
    id: str
    items_url: str
    tiles_url: str
    title: str
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., geometry_type: _Optional[str] = ..., feature_count: _Optional[int] = ..., bbox: _Optional[_Union[BoundingBox, _Mapping]] = ..., columns: _Optional[_Iterable[_Union[Column, _Mapping]]] = ..., column_count: _Optional[int] = ..., items_url: _Optional[str] = ..., tiles_url: _Optional[str] = ...) -> None: ...

class ServedRaster(_message.Message):
    __slots__ = ["band_count", "bands", "bbox", "bytes", "crs", "download_url", "height", "id", "kind", "mosaicjson_url", "preview_url", "scene_count", "scenes_url", "tile_cache_maxzoom", "tile_cache_url", "tilejson_url", "tiles_url", "title", "width", "wmts_url"]
    BANDS_FIELD_NUMBER: _ClassVar[int]
    BAND_COUNT_FIELD_NUMBER: _ClassVar[int]
    BBOX_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    CRS_FIELD_NUMBER: _ClassVar[int]
    DOWNLOAD_URL_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MOSAICJSON_URL_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_URL_FIELD_NUMBER: _ClassVar[int]
    SCENES_URL_FIELD_NUMBER: _ClassVar[int]
    SCENE_COUNT_FIELD_NUMBER: _ClassVar[int]
    TILEJSON_URL_FIELD_NUMBER: _ClassVar[int]
    TILES_URL_FIELD_NUMBER: _ClassVar[int]
    TILE_CACHE_MAXZOOM_FIELD_NUMBER: _ClassVar[int]
    TILE_CACHE_URL_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    WMTS_URL_FIELD_NUMBER: _ClassVar[int]
    band_count: int
    bands: _containers.RepeatedCompositeFieldContainer[RasterBand]
    bbox: BoundingBox
    bytes: int
    crs: str
    download_url: str
    height: int
    id: str
    kind: str
    mosaicjson_url: str
    preview_url: str
    scene_count: int
    scenes_url: str
    tile_cache_maxzoom: int
    tile_cache_url: str
    tilejson_url: str
    tiles_url: str
    title: str
    width: int
    wmts_url: str
    def __init__(self, id: _Optional[str] = ..., title: _Optional[str] = ..., kind: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., crs: _Optional[str] = ..., bbox: _Optional[_Union[BoundingBox, _Mapping]] = ..., bytes: _Optional[int] = ..., bands: _Optional[_Iterable[_Union[RasterBand, _Mapping]]] = ..., band_count: _Optional[int] = ..., tiles_url: _Optional[str] = ..., tilejson_url: _Optional[str] = ..., wmts_url: _Optional[str] = ..., preview_url: _Optional[str] = ..., download_url: _Optional[str] = ..., scene_count: _Optional[int] = ..., scenes_url: _Optional[str] = ..., mosaicjson_url: _Optional[str] = ..., tile_cache_url: _Optional[str] = ..., tile_cache_maxzoom: _Optional[int] = ...) -> None: ...

class Treatment(_message.Message):
    __slots__ = ["dropped_null_geometries", "gdal_version", "proj_version", "raster", "renamed_columns", "repaired_geometries", "source_crs", "source_features", "source_format", "source_sha256", "z_dropped"]
    DROPPED_NULL_GEOMETRIES_FIELD_NUMBER: _ClassVar[int]
    GDAL_VERSION_FIELD_NUMBER: _ClassVar[int]
    PROJ_VERSION_FIELD_NUMBER: _ClassVar[int]
    RASTER_FIELD_NUMBER: _ClassVar[int]
    RENAMED_COLUMNS_FIELD_NUMBER: _ClassVar[int]
    REPAIRED_GEOMETRIES_FIELD_NUMBER: _ClassVar[int]
    SOURCE_CRS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FEATURES_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    SOURCE_SHA256_FIELD_NUMBER: _ClassVar[int]
    Z_DROPPED_FIELD_NUMBER: _ClassVar[int]
    dropped_null_geometries: int
    gdal_version: str
    proj_version: str
    raster: RasterTreatment
    renamed_columns: int
    repaired_geometries: int
    source_crs: str
    source_features: int
    source_format: str
    source_sha256: str
    z_dropped: int
    def __init__(self, source_crs: _Optional[str] = ..., source_features: _Optional[int] = ..., dropped_null_geometries: _Optional[int] = ..., repaired_geometries: _Optional[int] = ..., z_dropped: _Optional[int] = ..., renamed_columns: _Optional[int] = ..., source_format: _Optional[str] = ..., source_sha256: _Optional[str] = ..., gdal_version: _Optional[str] = ..., proj_version: _Optional[str] = ..., raster: _Optional[_Union[RasterTreatment, _Mapping]] = ...) -> None: ...

class ValueRange(_message.Message):
    __slots__ = ["maximum", "minimum"]
    MAXIMUM_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_FIELD_NUMBER: _ClassVar[int]
    maximum: float
    minimum: float
    def __init__(self, minimum: _Optional[float] = ..., maximum: _Optional[float] = ...) -> None: ...

class VectorOptions(_message.Message):
    __slots__ = ["max_rejects", "null_geometry"]
    class NullGeometry(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = []
    MAX_REJECTS_FIELD_NUMBER: _ClassVar[int]
    NULL_GEOMETRY_DROP: VectorOptions.NullGeometry
    NULL_GEOMETRY_FAIL: VectorOptions.NullGeometry
    NULL_GEOMETRY_FIELD_NUMBER: _ClassVar[int]
    NULL_GEOMETRY_KEEP: VectorOptions.NullGeometry
    NULL_GEOMETRY_UNSPECIFIED: VectorOptions.NullGeometry
    max_rejects: int
    null_geometry: VectorOptions.NullGeometry
    def __init__(self, null_geometry: _Optional[_Union[VectorOptions.NullGeometry, str]] = ..., max_rejects: _Optional[int] = ...) -> None: ...

class VectorSource(_message.Message):
    __slots__ = ["crs", "csv", "encoding", "layer", "url"]
    CRS_FIELD_NUMBER: _ClassVar[int]
    CSV_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    LAYER_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    crs: str
    csv: CsvColumns
    encoding: str
    layer: str
    url: str
    def __init__(self, url: _Optional[str] = ..., layer: _Optional[str] = ..., crs: _Optional[str] = ..., encoding: _Optional[str] = ..., csv: _Optional[_Union[CsvColumns, _Mapping]] = ...) -> None: ...

class DatasetType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class DatasetState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []

class OperationState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = []
