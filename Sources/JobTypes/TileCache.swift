/// Parameters of `generate_tile_cache`.
public struct TileCacheParameters: Codable, Sendable, Equatable {
  /// Path of the endpoint at the data API, `/api/data/…`, without a trailing slash.
  public var endpointPath: String
  /// Sent as `X-Terrane-Preview`; hex.
  public var previewToken: String
  /// west, south, east, north in EPSG:4326; west is greater than east across the antimeridian.
  public var bbox: [Double]
  public var title: String
  public var attribution: String

  public init(endpointPath: String, previewToken: String, bbox: [Double], title: String, attribution: String) {
    self.endpointPath = endpointPath
    self.previewToken = previewToken
    self.bbox = bbox
    self.title = title
    self.attribution = attribution
  }
}

/// Result of `generate_tile_cache`: an MBTiles file.
public struct TileCacheResult: Codable, Sendable, Equatable {
  /// From the task: its name in the scratch folder. From the server, once it was taken over: its name among the served files.
  public var file: String
  public var bytes: Int64
  /// Zooms go from 0 to this.
  public var maxzoom: Int
  /// Tiles that show anything.
  public var count: Int

  public init(file: String, bytes: Int64, maxzoom: Int, count: Int) {
    self.file = file
    self.bytes = bytes
    self.maxzoom = maxzoom
    self.count = count
  }
}

/// Where a task leaves the tiles it drew.
public enum TileCacheFile {
  /// Its name in the attempt's scratch folder.
  public static let scratchName = "tiles.sqlite"
}
