/// Parameters of `mosaic_datasets`. Which builds these are is held by the database (coremachine.holds).
public struct MosaicDatasetsParameters: Codable, Sendable, Equatable {
  /// Folder of the served files.
  public var filesRoot: String
  /// Names of the datasets, the uppermost first.
  public var members: [String]

  public init(filesRoot: String, members: [String]) {
    self.filesRoot = filesRoot
    self.members = members
  }
}

/// Result of `mosaic_datasets`.
public struct MosaicDatasetsResult: Codable, Sendable, Equatable {
  public var mosaic: CreateMosaicResult
  /// The uppermost first.
  public var scenes: [MemberScene]

  public init(mosaic: CreateMosaicResult, scenes: [MemberScene]) {
    self.mosaic = mosaic
    self.scenes = scenes
  }
}

/// A raster of a dataset that a mosaic is made of.
public struct MemberScene: Codable, Sendable, Equatable {
  /// Its id within the mosaic: its dataset's name, and of a collection its own.
  public var id: String
  /// Pixels for which no band has anything to say.
  public var emptyPixels: Int64
  /// SHA-256 of its dataset's source, hex.
  public var sourceSHA256: String
  public var versions: LibraryVersions
  /// The file it shares with its dataset.
  public var file: ProcessRasterResult
  /// How its dataset shows it.
  public var rendering: RasterRendering
  /// The STAC item its dataset has of it, JSON.
  public var item: String

  public init(
    id: String, emptyPixels: Int64, sourceSHA256: String, versions: LibraryVersions, file: ProcessRasterResult,
    rendering: RasterRendering, item: String
  ) {
    self.id = id
    self.emptyPixels = emptyPixels
    self.sourceSHA256 = sourceSHA256
    self.versions = versions
    self.file = file
    self.rendering = rendering
    self.item = item
  }
}
