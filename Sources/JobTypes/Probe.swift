/// Parameters of `probe`.
public struct ProbeParameters: Codable, Sendable, Equatable {
  /// Address of the source: `file:///…`.
  public var source: String
  /// Layers asked for; empty: the source's only layer.
  public var layers: [String]
  /// Reference system the request gives, for instance `EPSG:25832`.
  public var crs: String?
  /// Character encoding of text, for instance `ISO-8859-1`; nil: what the format says.
  public var encoding: String?
  public var csv: CSVOptions?
  /// `raster`: the source is read as one; `raster_collection`: it is a pattern, or the first of several; `mosaic`: there is none,
  /// the mosaic is made of datasets; nil: vectors.
  public var expects: String?
  /// Of a collection: further sources, or all where `source` is empty.
  public var more: [String]?
  /// Of rasters: how they are to be written and shown, so that what cannot be is known before anything is read.
  public var wishes: RasterWishes?

  public init(
    source: String, layers: [String] = [], crs: String? = nil, encoding: String? = nil, csv: CSVOptions? = nil,
    expects: String? = nil, more: [String]? = nil
  ) {
    self.source = source
    self.layers = layers
    self.crs = crs
    self.encoding = encoding
    self.csv = csv
    self.expects = expects
    self.more = more
  }
}

/// What a request asks of rasters, as far as the probe looks at it.
public struct RasterWishes: Codable, Sendable, Equatable {
  public var writing: RasterWriting
  /// Name of a colour map; nil: by what the raster is.
  public var colormap: String?
  /// How many ranges of values are given.
  public var ranges: Int

  public init(writing: RasterWriting, colormap: String?, ranges: Int) {
    self.writing = writing
    self.colormap = colormap
    self.ranges = ranges
  }
}

/// Result of `probe`.
public struct ProbeResult: Codable, Sendable, Equatable {
  public var pin: SourcePin
  /// GDAL's short driver name, for instance `GPKG`.
  public var driver: String
  /// `vector`, `raster`, `raster_collection` or `mosaic`.
  public var route: String
  /// Layers that are to be loaded, in order.
  public var layers: [ProbedLayer]
  /// Names of every layer of the source.
  public var allLayers: [String]
  public var versions: LibraryVersions
  /// Of a raster: width × height of one band.
  public var pixels: Int64?
  /// Of a raster: width × height of what is to be written; nil, of an earlier version: `pixels`.
  public var writtenPixels: Int64?
  /// Of a raster: tiles it would have as a large one.
  public var tiles: Int?
  /// Of a raster: bytes of a pixel, all bands, without compression.
  public var bytesPerPixel: Int64?
  /// Of a raster collection.
  public var files: [CollectionFile]?

  public init(
    pin: SourcePin, driver: String, route: String, layers: [ProbedLayer], allLayers: [String],
    versions: LibraryVersions, pixels: Int64? = nil, files: [CollectionFile]? = nil
  ) {
    self.pin = pin
    self.driver = driver
    self.route = route
    self.layers = layers
    self.allLayers = allLayers
    self.versions = versions
    self.pixels = pixels
    self.files = files
  }
}

/// What the probe saw of one layer.
public struct ProbedLayer: Codable, Sendable, Equatable {
  /// Name in the source.
  public var name: String
  /// Proposed public collection id: the sanitised layer name, unique within the result.
  public var collectionID: String
  /// Features the source says it has.
  public var featureCount: Int64
  /// Table geometry type the load will make: `MultiPoint`, `MultiLineString` or `MultiPolygon`; empty: attributes only.
  public var geometryType: String
  /// Every type of the layer, in order, where it has several; each is a `ProbedLayer` of its own. Nil: only `geometryType`.
  public var geometryTypes: [String]?
  /// The reference system the load will read coordinates in, `EPSG:n` where it has a code, else its name.
  public var crs: String
  /// `source`, `request` or `assumed`.
  public var crsOrigin: String
  /// The columns the load will make, without `fid` and `geom`.
  public var columns: [ColumnSchema]

  public init(
    name: String, collectionID: String, featureCount: Int64, geometryType: String, geometryTypes: [String]? = nil,
    crs: String,
    crsOrigin: String, columns: [ColumnSchema]
  ) {
    self.name = name
    self.collectionID = collectionID
    self.featureCount = featureCount
    self.geometryType = geometryType
    self.geometryTypes = geometryTypes
    self.crs = crs
    self.crsOrigin = crsOrigin
    self.columns = columns
  }
}
