/// What a client asked for, after defaults. Stored as JSON; a field that is missing (written by an older version) takes its
/// default, so that an upgrade that adds one does not turn replays into conflicts.
public struct DatasetSpec: Sendable, Equatable, Codable {
  public var type: DatasetType
  /// Of vectors; empty otherwise.
  public var source: VectorSource
  public var metadata: Metadata
  /// Of vectors.
  public var options: VectorOptions
  /// Of a raster: source and options. Nil otherwise.
  public var raster: Raster?

  public init(
    type: DatasetType, source: VectorSource, metadata: Metadata, options: VectorOptions, raster: Raster? = nil
  ) {
    self.type = type
    self.source = source
    self.metadata = metadata
    self.options = options
    self.raster = raster
  }

  /// A raster dataset, a collection where the raster has files, a mosaic where it has members.
  public init(raster: Raster, metadata: Metadata) {
    self.init(
      type: raster.members != nil ? .mosaic : raster.files != nil ? .rasterCollection : .raster,
      source: VectorSource(url: ""), metadata: metadata, options: VectorOptions(), raster: raster)
  }

  public enum DatasetType: String, Sendable, Codable {
    case vector, raster, mosaic
    case rasterCollection = "raster_collection"
  }

  /// The address of the source.
  public var sourceURL: String { raster.map { $0.url.isEmpty ? $0.files?.urls.first ?? "" : $0.url } ?? source.url }
  /// Every address a request gives; a mosaic over datasets has none.
  public var sourceURLs: [String] {
    if type == .mosaic { return [] }
    guard let files = raster?.files, !files.urls.isEmpty else { return [sourceURL] }
    return files.urls
  }
  /// Where the request gives it.
  public var sourceField: String {
    guard let raster else { return "spec.vector.url" }
    guard type == .rasterCollection else { return "spec.raster.url" }
    return raster.url.isEmpty ? "spec.raster_collection.urls" : "spec.raster_collection.pattern"
  }

  public struct VectorSource: Sendable, Equatable, Codable {
    /// `file://` with an absolute path.
    public var url: String
    /// Empty: the only layer, or all.
    public var layer: String
    public var crs: String
    public var encoding: String
    public var longitudeColumn: String
    public var latitudeColumn: String
    public var wktColumn: String

    public init(
      url: String, layer: String = "", crs: String = "", encoding: String = "", longitudeColumn: String = "",
      latitudeColumn: String = "", wktColumn: String = ""
    ) {
      self.url = url
      self.layer = layer
      self.crs = crs
      self.encoding = encoding
      self.longitudeColumn = longitudeColumn
      self.latitudeColumn = latitudeColumn
      self.wktColumn = wktColumn
    }
  }

  public struct Metadata: Sendable, Equatable, Codable {
    public var title: String
    public var description: String
    public var attribution: String
    public var license: String
    public var keywords: [String]
    /// RFC 3339, UTC; nil: the time of publishing.
    public var datetime: String?

    public init(
      title: String = "", description: String = "", attribution: String = "", license: String = "",
      keywords: [String] = [], datetime: String? = nil
    ) {
      self.title = title
      self.description = description
      self.attribution = attribution
      self.license = license
      self.keywords = keywords
      self.datetime = datetime
    }
  }

  public struct VectorOptions: Sendable, Equatable, Codable {
    public var nullGeometry: NullGeometry
    public var maxRejects: Int64

    public init(nullGeometry: NullGeometry = .drop, maxRejects: Int64 = 0) {
      self.nullGeometry = nullGeometry
      self.maxRejects = maxRejects
    }

    public enum NullGeometry: String, Sendable, Codable { case drop, keep, fail }
  }

  /// The fields in which two requests differ, by their path in the request, sorted.
  public func fieldsDiffering(from other: DatasetSpec) -> [String] {
    let pairs: [(String, Bool)] = [
      ("spec.type", type == other.type),
      ("spec.vector.url", source.url == other.source.url),
      ("spec.vector.layer", source.layer == other.source.layer),
      ("spec.vector.crs", source.crs == other.source.crs),
      ("spec.vector.encoding", source.encoding == other.source.encoding),
      ("spec.vector.csv.longitude", source.longitudeColumn == other.source.longitudeColumn),
      ("spec.vector.csv.latitude", source.latitudeColumn == other.source.latitudeColumn),
      ("spec.vector.csv.wkt", source.wktColumn == other.source.wktColumn),
      ("spec.raster.url", raster?.url == other.raster?.url),
      ("spec.raster.crs", raster?.crs == other.raster?.crs),
      ("spec.raster_collection.urls", raster?.files?.urls == other.raster?.files?.urls),
      ("spec.raster_collection.policy", raster?.files?.isTolerant == other.raster?.files?.isTolerant),
      ("spec.mosaic.datasets", raster?.members == other.raster?.members),
      ("spec.metadata.title", metadata.title == other.metadata.title),
      ("spec.metadata.description", metadata.description == other.metadata.description),
      ("spec.metadata.attribution", metadata.attribution == other.metadata.attribution),
      ("spec.metadata.license", metadata.license == other.metadata.license),
      ("spec.metadata.keywords", metadata.keywords == other.metadata.keywords),
      ("spec.metadata.datetime", metadata.datetime == other.metadata.datetime),
      ("spec.vector_options.null_geometry", options.nullGeometry == other.options.nullGeometry),
      ("spec.vector_options.max_rejects", options.maxRejects == other.options.maxRejects),
    ]
    let options = Raster.Options.fieldsDiffering(raster?.options, other.raster?.options)
    return (pairs.filter { !$0.1 }.map(\.0) + options.map { "spec.raster_options.\($0)" }).sorted()
  }
}
