/// What to do with features that have no geometry.
public enum NullGeometryPolicy: String, Codable, Sendable {
  /// Leave them out, counted as a warning.
  case drop
  /// Store them with a null geometry, counted as a warning.
  case keep
  /// Fail with `NULL_GEOMETRY_REFUSED`.
  case fail
}

/// Parameters of `ingest_vector`. The tables go into the assignment's staging schema.
public struct IngestVectorParameters: Codable, Sendable, Equatable {
  public var source: String
  /// The pin the probe saw; another one fails with `SOURCE_CHANGED`.
  public var pin: SourcePin
  public var layers: [IngestLayer]
  public var crs: String?
  public var encoding: String?
  public var csv: CSVOptions?
  public var nullGeometries: NullGeometryPolicy
  /// Records that may be rejected (unreadable, out of range) before the task fails.
  public var maxRejects: Int64

  public init(
    source: String, pin: SourcePin, layers: [IngestLayer], crs: String? = nil, encoding: String? = nil,
    csv: CSVOptions? = nil, nullGeometries: NullGeometryPolicy = .drop, maxRejects: Int64 = 0
  ) {
    self.source = source
    self.pin = pin
    self.layers = layers
    self.crs = crs
    self.encoding = encoding
    self.csv = csv
    self.nullGeometries = nullGeometries
    self.maxRejects = maxRejects
  }
}

/// One layer to load.
public struct IngestLayer: Codable, Sendable, Equatable {
  /// What the probe saw. The load makes these columns and this geometry type, and must read as many features.
  public var layer: ProbedLayer
  /// Table to make in the staging schema.
  public var table: String
  public var title: String

  public init(layer: ProbedLayer, table: String, title: String) {
    self.layer = layer
    self.table = table
    self.title = title
  }
}

/// Result of `ingest_vector`.
public struct IngestVectorResult: Codable, Sendable, Equatable {
  /// SHA-256 of the source, hex. Of several parts: of the lines `name NUL sha256-hex LF` of all parts.
  public var sourceSHA256: String
  public var layers: [IngestedLayer]
  public var versions: LibraryVersions
  /// Bytes of all tables with their indexes.
  public var storedBytes: Int64

  public init(sourceSHA256: String, layers: [IngestedLayer], versions: LibraryVersions, storedBytes: Int64) {
    self.sourceSHA256 = sourceSHA256
    self.layers = layers
    self.versions = versions
    self.storedBytes = storedBytes
  }
}

/// What became of one layer.
public struct IngestedLayer: Codable, Sendable, Equatable {
  public var name: String
  public var table: String
  public var collectionID: String
  public var title: String
  /// `MultiPoint`, `MultiLineString` or `MultiPolygon`; empty: a table of attributes.
  public var geometryType: String
  public var counts: IngestCounts
  /// minx, miny, maxx, maxy in EPSG:4326; nil when no row has a geometry.
  public var bbox: [Double]?
  /// Columns without `fid` and `geom`, in table order.
  public var columns: [ColumnSchema]
  /// Reference system of the source, `EPSG:n` where it has a code, else its name.
  public var sourceCRS: String
  /// Seconds spent per phase: `load`, `index`, `analyze`.
  public var seconds: [String: Double]

  public init(
    name: String, table: String, collectionID: String, title: String, geometryType: String, counts: IngestCounts,
    bbox: [Double]?, columns: [ColumnSchema], sourceCRS: String, seconds: [String: Double]
  ) {
    self.name = name
    self.table = table
    self.collectionID = collectionID
    self.title = title
    self.geometryType = geometryType
    self.counts = counts
    self.bbox = bbox
    self.columns = columns
    self.sourceCRS = sourceCRS
    self.seconds = seconds
  }
}

/// Counts of one table. `source == read`, `read == loaded + dropped.values.sum + rejected`; anything else failed the task.
public struct IngestCounts: Codable, Sendable, Equatable {
  /// Features of the layer that belong to this table.
  public var source: Int64
  /// Those of them that were read.
  public var read: Int64
  /// Features that have parts of several families and are counted by another table as well. Nil: none.
  public var shared: Int64?
  /// Rows in the table, counted by the database.
  public var loaded: Int64
  /// Rows with a geometry, counted by the database.
  public var withGeometry: Int64
  /// Features left out on purpose, by `WarningReason`.
  public var dropped: [String: Int64]
  /// Records rejected.
  public var rejected: Int64
  public var repaired: Int64
  public var splitAtAntimeridian: Int64
  public var dimensionsDropped: Int64
  public var renamedColumns: Int64

  public init(
    source: Int64 = 0, read: Int64 = 0, shared: Int64? = nil, loaded: Int64 = 0, withGeometry: Int64 = 0,
    dropped: [String: Int64] = [:],
    rejected: Int64 = 0, repaired: Int64 = 0, splitAtAntimeridian: Int64 = 0, dimensionsDropped: Int64 = 0,
    renamedColumns: Int64 = 0
  ) {
    self.source = source
    self.read = read
    self.shared = shared
    self.loaded = loaded
    self.withGeometry = withGeometry
    self.dropped = dropped
    self.rejected = rejected
    self.repaired = repaired
    self.splitAtAntimeridian = splitAtAntimeridian
    self.dimensionsDropped = dimensionsDropped
    self.renamedColumns = renamedColumns
  }
}
