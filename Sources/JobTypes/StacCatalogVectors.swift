/// Parameters of `stac_catalog_vectors`: ids and texts from the request, figures from the ingest result.
public struct StacCatalogVectorsParameters: Codable, Sendable, Equatable {
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
  /// RFC 3339 UTC. From the request, else the time of planning (publishing may replace it by its own).
  public var datetime: String
  /// `request` or `publish_time`, kept in the item as `terrane:datetime_source`.
  public var datetimeSource: String
  /// Absolute URL of the dataset's endpoint, `{public_url}/api/data/…`, without a trailing slash.
  public var endpoint: String
  /// SHA-256 of the source, hex.
  public var sourceSHA256: String
  public var versions: LibraryVersions
  public var layers: [IngestedLayer]

  public init(
    collectionID: String, itemID: String, title: String, description: String, license: String = "",
    attribution: String = "", keywords: [String] = [], datetime: String, datetimeSource: String, endpoint: String,
    sourceSHA256: String, versions: LibraryVersions, layers: [IngestedLayer]
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
    self.versions = versions
    self.layers = layers
  }
}

/// Result of `stac_catalog_vectors`: STAC 1.1 documents as JSON text, ready for pgstac's upsert functions.
public struct StacCatalogResult: Codable, Sendable, Equatable {
  public var collection: String
  public var item: String

  public init(collection: String, item: String) {
    self.collection = collection
    self.item = item
  }
}
