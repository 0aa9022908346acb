extension DatasetSpec {
  /// A raster's source, and what is wanted of it.
  public struct Raster: Sendable, Equatable, Codable {
    /// `file://` with an absolute path; of a collection a pattern, or empty.
    public var url: String
    public var crs: String
    public var options: Options
    /// Of a collection; nil otherwise.
    public var files: Files?
    /// Of a mosaic over datasets, the uppermost first; nil otherwise.
    public var members: [DatasetIdentity]?

    public init(
      url: String, crs: String = "", options: Options = Options(), files: Files? = nil,
      members: [DatasetIdentity]? = nil
    ) {
      self.files = files
      self.members = members
      self.url = url
      self.crs = crs
      self.options = options
    }

    public struct Files: Sendable, Equatable, Codable {
      /// Instead of a pattern.
      public var urls: [String]
      /// Files that cannot be used are left out.
      public var isTolerant: Bool

      public init(urls: [String] = [], isTolerant: Bool = false) {
        self.urls = urls
        self.isTolerant = isTolerant
      }
    }

    public struct Options: Sendable, Equatable, Codable {
      /// `EPSG:n` or WKT; empty: the source's own.
      public var targetCRS: String
      /// Units of the target system a pixel; 0: about as fine as the source.
      public var resolution: Double
      /// `nearest`, `bilinear`, `cubic`, `average`, `mode`; empty: by what the raster is.
      public var resampling: String
      /// `deflate`, `zstd`, `lzw`, `jpeg`, `webp`, `lerc`; empty: by what the raster is.
      public var compression: String
      public var generateStatistics: Bool
      public var buildOverviews: Bool
      /// Name of a colour map; empty: by what the raster is.
      public var colormap: String
      /// [smallest, largest] value shown, one pair for each band or one for all; empty: by the raster's statistics.
      public var rescale: [[Double]]
      /// Whether tiles of the low zooms are drawn beforehand. Nil, of an earlier version: they are not.
      public var enableTiles: Bool?

      public init(
        targetCRS: String = "", resolution: Double = 0, resampling: String = "", compression: String = "",
        generateStatistics: Bool = true, buildOverviews: Bool = true, colormap: String = "", rescale: [[Double]] = [],
        enableTiles: Bool? = nil
      ) {
        self.enableTiles = enableTiles
        self.targetCRS = targetCRS
        self.resolution = resolution
        self.resampling = resampling
        self.compression = compression
        self.generateStatistics = generateStatistics
        self.buildOverviews = buildOverviews
        self.colormap = colormap
        self.rescale = rescale
      }

      /// Names of the options in which two requests differ, as the request calls them.
      static func fieldsDiffering(_ a: Options?, _ b: Options?) -> [String] {
        let pairs: [(String, Bool)] = [
          ("target_crs", a?.targetCRS == b?.targetCRS), ("resolution", a?.resolution == b?.resolution),
          ("resampling", a?.resampling == b?.resampling), ("compression", a?.compression == b?.compression),
          ("generate_statistics", a?.generateStatistics == b?.generateStatistics),
          ("build_overviews", a?.buildOverviews == b?.buildOverviews), ("colormap", a?.colormap == b?.colormap),
          ("rescale", a?.rescale == b?.rescale),
          ("enable_tiles", (a?.enableTiles ?? false) == (b?.enableTiles ?? false)),
        ]
        return pairs.filter { !$0.1 }.map(\.0)
      }
    }
  }
}
