internal import JobTypes

/// What a published dataset offers, kept as JSON with its row. Paths are below the public URL, which may change.
public struct DatasetResult: Sendable, Equatable, Codable {
  public var path: String
  public var stacCollection: String
  public var stacItem: String
  /// west, south, east, north in degrees; nil without geometries.
  public var bbox: [Double]?
  public var crs: String
  public var featureCount: Int64
  public var collections: [Collection]
  public var treatment: Treatment
  public var build: Int64
  /// Of a raster dataset; nil otherwise.
  public var rasters: [Raster]?

  /// This, with tiles that were drawn beforehand, if there are any.
  func with(_ tiles: TileCacheResult?) -> DatasetResult {
    guard let tiles, rasters?.isEmpty == false else { return self }
    var more = self
    more.rasters?[0].tileCacheMaxzoom = tiles.maxzoom
    return more
  }

  public struct Raster: Sendable, Equatable, Codable {
    public var id: String
    public var title: String
    public var kind: String
    public var width: Int
    public var height: Int
    public var crs: String
    public var bbox: [Double]
    public var bytes: Int64
    public var bands: [Band]
    /// Of a mosaic: how many it is made of.
    public var scenes: Int?
    /// Where tiles were drawn beforehand: the highest zoom.
    public var tileCacheMaxzoom: Int?
  }

  public struct Band: Sendable, Equatable, Codable {
    /// `uint8`, `float32`, …
    public var type: String
    /// `red`, `gray`, `palette`, `undefined`, …
    public var colour: String
    /// The value that stands for nothing; nil: none.
    public var nodata: String?
    public var unit: String
    public var description: String
    /// Measured = scale × stored + offset; nil: stored as measured.
    public var scale: Double?
    public var offset: Double?
    /// Of all valid pixels; nil: not asked for, or there are none.
    public var statistics: Statistics?
  }

  public struct Statistics: Sendable, Equatable, Codable {
    public var minimum: Double
    public var maximum: Double
    public var mean: Double
    public var standardDeviation: Double
    /// 0 … 1.
    public var validShare: Double
  }

  public struct Collection: Sendable, Equatable, Codable {
    public var id: String
    public var title: String
    public var geometryType: String
    public var featureCount: Int64
    public var bbox: [Double]?
    public var columns: [Column]
  }

  public struct Column: Sendable, Equatable, Codable {
    public var name: String
    public var sourceName: String
    public var type: String
    /// Nil: made before it was counted.
    public var nulls: Int64?
    public var minimum: String?
    public var maximum: String?
    public var frequent: [FrequentValue]?
  }

  public struct FrequentValue: Sendable, Equatable, Codable {
    public var value: String
    /// From 0 to 1.
    public var share: Double
  }

  /// What was done to the data on its way.
  public struct Treatment: Sendable, Equatable, Codable {
    public var sourceCRS: String
    public var sourceFormat: String
    public var sourceSHA256: String
    public var sourceFeatures: Int64
    public var droppedNullGeometries: Int64
    public var repairedGeometries: Int64
    public var dimensionsDropped: Int64
    public var renamedColumns: Int64
    public var gdalVersion: String
    public var projVersion: String
    /// Of a raster dataset; nil otherwise.
    public var raster: RasterTreatment?
  }

  /// What was done to a raster.
  public struct RasterTreatment: Sendable, Equatable, Codable {
    public var sourceWidth: Int
    public var sourceHeight: Int
    /// Pixels of the source that are nothing, 0 … 1.
    public var nodataShare: Double
    public var compression: String
    public var isLossy: Bool
    public var resampling: String
    public var overviews: Int
  }
}
