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
  }
}
