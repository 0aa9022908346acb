/// Parameters of `stac_catalog_raster`: ids and texts from the request, figures from validation and writing.
public struct StacCatalogRasterParameters: Codable, Sendable, Equatable {
  /// `{namespace}:{dataset}:{resource}`.
  public var collectionID: String
  /// The version id.
  public var itemID: String
  public var title: String
  public var description: String
  /// SPDX identifier or `other`; empty: `other`.
  public var license: String
  public var attribution: String
  public var keywords: [String]
  /// RFC 3339 UTC.
  public var datetime: String
  /// `request` or `publish_time`.
  public var datetimeSource: String
  /// Absolute URL of the dataset's endpoint, without a trailing slash.
  public var endpoint: String
  /// SHA-256 of the source, hex.
  public var sourceSHA256: String
  public var sourceCRS: String
  public var versions: LibraryVersions
  /// The file that is served.
  public var file: ProcessRasterResult
  public var rendering: RasterRendering
  /// Tiles that were drawn beforehand, if there are any.
  public var tiles: TileCacheResult?

  public init(
    collectionID: String, itemID: String, title: String, description: String, license: String = "",
    attribution: String = "", keywords: [String] = [], datetime: String, datetimeSource: String, endpoint: String,
    sourceSHA256: String, sourceCRS: String, versions: LibraryVersions, file: ProcessRasterResult,
    rendering: RasterRendering
  ) {
    self.collectionID = collectionID
    self.itemID = itemID
    self.title = title
    self.description = description
    self.license = license
    self.attribution = attribution
    self.keywords = keywords
    self.datetime = datetime
    self.datetimeSource = datetimeSource
    self.endpoint = endpoint
    self.sourceSHA256 = sourceSHA256
    self.sourceCRS = sourceCRS
    self.versions = versions
    self.file = file
    self.rendering = rendering
  }
}
