/// What is known of a raster file.
public struct RasterDescription: Codable, Sendable, Equatable {
  public var width: Int
  public var height: Int
  public var bands: [RasterBand]
  /// `rgb`, `rgba`, `elevation`, `categorical` or `continuous`.
  public var kind: String
  /// `EPSG:25832` where the reference system has a code, else its name.
  public var crs: String
  /// `EPSG:25832`; nil: it has no code.
  public var crsCode: String?
  /// WKT 2 of the reference system.
  public var crsWKT: String
  /// From pixel and line to the reference system, in GDAL's order: x, pixel width, row rotation, y, column rotation, pixel height.
  public var transform: [Double]
  /// west, south, east, north in EPSG:4326; west is greater than east across the antimeridian.
  public var bbox: [Double]
  /// Closed rings of [longitude, latitude].
  public var footprint: [[[Double]]]

  public init(
    width: Int, height: Int, bands: [RasterBand], kind: String, crs: String, crsCode: String?, crsWKT: String,
    transform: [Double], bbox: [Double], footprint: [[[Double]]]
  ) {
    self.width = width
    self.height = height
    self.bands = bands
    self.kind = kind
    self.crs = crs
    self.crsCode = crsCode
    self.crsWKT = crsWKT
    self.transform = transform
    self.bbox = bbox
    self.footprint = footprint
  }

  /// Pixels of one band.
  public var pixels: Int64 { Int64(width) * Int64(height) }
}

/// One band of a raster.
public struct RasterBand: Codable, Sendable, Equatable {
  /// `uint8`, `int16`, `float32`, …
  public var type: String
  /// `red`, `gray`, `palette`, `alpha`, `undefined`, …
  public var colour: String
  /// The value that stands for nothing, as text: JSON has no `nan`.
  public var nodata: String?
  public var unit: String
  public var description: String
  /// Measured = scale × stored + offset; nil: stored as measured.
  public var scale: Double?
  public var offset: Double?
  /// Nil: not asked for.
  public var statistics: RasterStatistics?
  /// Of a band of classes without colours of its own: the values there are, ascending.
  public var classes: [Int]?

  public init(
    type: String, colour: String, nodata: String?, unit: String, description: String, scale: Double? = nil,
    offset: Double? = nil, statistics: RasterStatistics?
  ) {
    self.type = type
    self.colour = colour
    self.nodata = nodata
    self.unit = unit
    self.description = description
    self.scale = scale
    self.offset = offset
    self.statistics = statistics
  }
}

/// Of the valid pixels of a band: all of them, not a sample.
public struct RasterStatistics: Codable, Sendable, Equatable {
  public var minimum: Double
  public var maximum: Double
  public var mean: Double
  public var standardDeviation: Double
  /// Valid pixels among all, 0 … 1.
  public var validShare: Double

  public init(minimum: Double, maximum: Double, mean: Double, standardDeviation: Double, validShare: Double) {
    self.minimum = minimum
    self.maximum = maximum
    self.mean = mean
    self.standardDeviation = standardDeviation
    self.validShare = validShare
  }
}

/// How a raster is to be written.
public struct RasterWriting: Codable, Sendable, Equatable {
  /// Reference system to move the pixels to; nil: they stay where they are.
  public var targetCRS: String?
  /// Units of the target's reference system a pixel; nil: about as fine as the source.
  public var resolution: Double?
  /// `nearest`, `bilinear`, `cubic`, `average` or `mode`; nil: by what the raster is.
  public var resampling: String?
  /// `deflate`, `zstd`, `lzw`, `jpeg`, `webp` or `lerc`; nil: by what the raster is.
  public var compression: String?
  /// Whether it gets overviews.
  public var overviews: Bool

  public init(
    targetCRS: String? = nil, resolution: Double? = nil, resampling: String? = nil, compression: String? = nil,
    overviews: Bool = true
  ) {
    self.targetCRS = targetCRS
    self.resolution = resolution
    self.resampling = resampling
    self.compression = compression
    self.overviews = overviews
  }
}

/// Parameters of `validate_raster`.
public struct ValidateRasterParameters: Codable, Sendable, Equatable {
  public var source: String
  /// The pin the probe saw; another one fails with `SOURCE_CHANGED`.
  public var pin: SourcePin
  public var crs: String?

  public init(source: String, pin: SourcePin, crs: String? = nil) {
    self.source = source
    self.pin = pin
    self.crs = crs
  }
}

/// Result of `validate_raster`: every block was read.
public struct ValidateRasterResult: Codable, Sendable, Equatable {
  public var raster: RasterDescription
  /// Pixels for which no band has anything to say.
  public var emptyPixels: Int64
  /// SHA-256 of the source, hex.
  public var sourceSHA256: String
  public var versions: LibraryVersions

  public init(raster: RasterDescription, emptyPixels: Int64, sourceSHA256: String, versions: LibraryVersions) {
    self.raster = raster
    self.emptyPixels = emptyPixels
    self.sourceSHA256 = sourceSHA256
    self.versions = versions
  }
}

/// A tile of a large raster.
public struct RasterWindow: Codable, Sendable, Equatable {
  /// From 0, from the top left.
  public var row: Int
  public var column: Int
  /// In pixels of what is written.
  public var x: Int
  public var y: Int
  public var width: Int
  public var height: Int

  public init(row: Int, column: Int, x: Int, y: Int, width: Int, height: Int) {
    self.row = row
    self.column = column
    self.x = x
    self.y = y
    self.width = width
    self.height = height
  }

  /// `r02_c11`: sorts as the tiles lie, to a hundred of them.
  public var id: String {
    func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "r\(two(row))_c\(two(column))"
  }
}

/// Result of the first stage of `process_large_raster`: a task of the second for each.
public struct LargeRasterPlan: Codable, Sendable, Equatable {
  public var tiles: [RasterWindow]

  public init(tiles: [RasterWindow]) { self.tiles = tiles }

  /// Most tiles of a raster, as of scenes in a mosaic.
  public static let most = 1_000
  /// Pixels of a tile's side: overviews down to a sixteenth meet their neighbours' pixel by pixel.
  public static let side = 8_192
}

/// Where a task leaves the raster it wrote.
public enum RasterFile {
  /// Its name in the attempt's scratch folder.
  public static let scratchName = "raster.tif"
}

/// Parameters of `process_raster`.
public struct ProcessRasterParameters: Codable, Sendable, Equatable {
  public var source: String
  public var pin: SourcePin
  public var crs: String?
  /// What validation found.
  public var raster: RasterDescription
  public var writing: RasterWriting
  /// Threads that compress; nil: as many as there are processors. Of a collection one: its files go side by side.
  public var threads: Int?
  /// Of a large raster: the part of what is written that this is; nil: all.
  public var window: RasterWindow?

  public init(
    source: String, pin: SourcePin, crs: String?, raster: RasterDescription, writing: RasterWriting,
    threads: Int? = nil, window: RasterWindow? = nil
  ) {
    self.threads = threads
    self.window = window
    self.source = source
    self.pin = pin
    self.crs = crs
    self.raster = raster
    self.writing = writing
  }
}

/// Result of `process_raster`: one cloud-optimised GeoTIFF.
public struct ProcessRasterResult: Codable, Sendable, Equatable {
  /// From the task: its name in the scratch folder. From the server, once it was taken over: its name among the served files.
  public var file: String
  public var bytes: Int64
  /// Of the file, hex.
  public var sha256: String
  /// The file as it is served.
  public var raster: RasterDescription
  public var compression: String
  /// Values may differ from the source's by as much as the codec allows.
  public var isLossy: Bool
  public var resampling: String
  /// Overviews made.
  public var overviews: Int
  /// Of a large raster: which tile it is.
  public var window: RasterWindow?

  public init(
    file: String, bytes: Int64, sha256: String, raster: RasterDescription, compression: String, isLossy: Bool,
    resampling: String, overviews: Int
  ) {
    self.file = file
    self.bytes = bytes
    self.sha256 = sha256
    self.raster = raster
    self.compression = compression
    self.isLossy = isLossy
    self.resampling = resampling
    self.overviews = overviews
  }
}

/// How a raster is shown where a request does not say: a picture out of measured values.
public struct RasterRendering: Codable, Sendable, Equatable {
  /// Bands, from 1: three for a picture, one for values.
  public var bands: [Int]
  /// Smallest and largest value shown, for every band of the raster; nil: values are shown as they are.
  public var rescale: [[Double]]?
  /// Name of a colour map for a single band.
  public var colormap: String?
  /// Of a band of classes, instead of a colour map: value, red, green and blue of each.
  public var colours: [[Int]]?

  /// The bands, from 1, that a picture of a raster is made of: three of a picture or of many, else one.
  public static func bands(ofColours colours: [String]) -> [Int] {
    let values = colours.indices.filter { colours[$0] != "alpha" }
    let picture = ["red", "green", "blue"].compactMap { colours.firstIndex(of: $0) }
    let shown = picture.count == 3 ? picture : Array(values.prefix(values.count >= 3 ? 3 : 1))
    return shown.map { $0 + 1 }
  }

  public init(bands: [Int], rescale: [[Double]]?, colormap: String?, colours: [[Int]]? = nil) {
    self.colours = colours
    self.bands = bands
    self.rescale = rescale
    self.colormap = colormap
  }
}
