/// Parameters of `verify`.
public struct VerifyParameters: Codable, Sendable, Equatable {
  public var collections: [VerifyCollection]
  /// Path of the endpoint at the data API, `/api/data/…`, without a trailing slash.
  public var endpointPath: String
  /// Sent as `X-Terrane-Preview`; hex.
  public var previewToken: String
  /// Of a raster dataset.
  public var raster: VerifyRaster?

  public init(
    collections: [VerifyCollection] = [], endpointPath: String, previewToken: String, raster: VerifyRaster? = nil
  ) {
    self.collections = collections
    self.raster = raster
    self.endpointPath = endpointPath
    self.previewToken = previewToken
  }
}

/// What one collection must be.
public struct VerifyCollection: Codable, Sendable, Equatable {
  /// Public collection id.
  public var id: String
  public var schema: String
  public var table: String
  /// Rows of the table.
  public var count: Int64
  /// Rows with a geometry.
  public var withGeometry: Int64
  /// minx, miny, maxx, maxy in EPSG:4326.
  public var bbox: [Double]?
  /// Column names without `fid` and `geom`.
  public var columns: [String]
  /// False: a table of attributes. Nil, of an earlier version: it has.
  public var hasGeometry: Bool?

  public init(
    id: String, schema: String, table: String, count: Int64, withGeometry: Int64, bbox: [Double]?, columns: [String],
    hasGeometry: Bool? = nil
  ) {
    self.id = id
    self.schema = schema
    self.table = table
    self.count = count
    self.withGeometry = withGeometry
    self.bbox = bbox
    self.columns = columns
    self.hasGeometry = hasGeometry
  }
}

/// What a served raster must be.
public struct VerifyRaster: Codable, Sendable, Equatable {
  public var width: Int
  public var height: Int
  /// `uint8`, one for each band.
  public var types: [String]
  /// west, south, east, north in EPSG:4326.
  public var bbox: [Double]
  /// Id of the STAC item; of a mosaic its first.
  public var item: String
  /// Of a mosaic: how many it has. Its size is not looked at.
  public var scenes: Int?

  public init(width: Int, height: Int, types: [String], bbox: [Double], item: String, scenes: Int? = nil) {
    self.scenes = scenes
    self.width = width
    self.height = height
    self.types = types
    self.bbox = bbox
    self.item = item
  }
}

/// Result of `verify`: every check that was made; all of them held, otherwise the task failed with `VERIFY_FAILED`.
public struct VerifyResult: Codable, Sendable, Equatable {
  public var checks: [VerifyCheck]

  public init(checks: [VerifyCheck]) { self.checks = checks }
}

/// One check.
public struct VerifyCheck: Codable, Sendable, Equatable {
  public var collection: String
  /// For instance `count`, `extent`, `columns`, `api_count`, `api_sample`.
  public var name: String
  /// `sql` or `data_api`.
  public var via: String
  public var expected: String
  public var actual: String

  public init(collection: String, name: String, via: String, expected: String, actual: String) {
    self.collection = collection
    self.name = name
    self.via = via
    self.expected = expected
    self.actual = actual
  }
}
