/// Names of the job types.
public enum JobType {
  /// Looks at a source: format, layers, counts, reference systems; pins it.
  public static let probe = "probe"
  /// Loads vector layers into tables of the attempt's staging schema.
  public static let ingestVector = "ingest_vector"
  /// Builds the STAC collection and item of a vector dataset. Writes nothing.
  public static let stacCatalogVectors = "stac_catalog_vectors"
  /// Reads every block of a raster, and says what it is.
  public static let validateRaster = "validate_raster"
  /// Writes a raster as a cloud-optimised GeoTIFF.
  public static let processRaster = "process_raster"
  /// Validates every file of a collection, a task each.
  public static let validateRasters = "validate_rasters"
  /// Writes every file of a collection as a cloud-optimised GeoTIFF, a task each.
  public static let processRasters = "process_rasters"
  /// Plans the tiles of a raster too large for one file, and writes each as a cloud-optimised GeoTIFF, a task each.
  public static let processLargeRaster = "process_large_raster"
  /// Lays the scenes of a collection together for views from afar.
  public static let createMosaic = "create_mosaic"
  /// Draws the map tiles of a raster's low zooms beforehand.
  public static let generateTileCache = "generate_tile_cache"
  /// Lays datasets that are served over each other as one mosaic.
  public static let mosaicDatasets = "mosaic_datasets"
  /// Builds the STAC collection of a raster collection, with an item for each scene. Writes nothing.
  public static let stacCatalogCollection = "stac_catalog_collection"
  /// Builds the STAC collection and item of a raster dataset. Writes nothing.
  public static let stacCatalogRaster = "stac_catalog_raster"
  /// Compares what is served in preview with what was loaded.
  public static let verify = "verify"
}

/// What identifies the state of a source: an equal pin means it was not touched.
public struct SourcePin: Codable, Sendable, Equatable {
  /// Bytes of all parts.
  public var size: Int64
  /// Latest modification time of the parts, nanoseconds since 1970.
  public var mtimeNs: Int64
  /// The files the source is made of, main file first. One, except for a shapefile with its siblings.
  public var parts: [SourcePart]

  public init(size: Int64, mtimeNs: Int64, parts: [SourcePart]) {
    self.size = size
    self.mtimeNs = mtimeNs
    self.parts = parts
  }
}

/// One file of a source.
public struct SourcePart: Codable, Sendable, Equatable {
  /// File name without its folder.
  public var name: String
  public var size: Int64
  public var mtimeNs: Int64

  public init(name: String, size: Int64, mtimeNs: Int64) {
    self.name = name
    self.size = size
    self.mtimeNs = mtimeNs
  }
}

/// How to read geometry out of a CSV file. All nil: columns are recognised by their usual names.
public struct CSVOptions: Codable, Sendable, Equatable {
  /// Column of longitudes (or eastings).
  public var longitudeColumn: String?
  /// Column of latitudes (or northings).
  public var latitudeColumn: String?
  /// Column of WKT text.
  public var wktColumn: String?

  public init(longitudeColumn: String? = nil, latitudeColumn: String? = nil, wktColumn: String? = nil) {
    self.longitudeColumn = longitudeColumn
    self.latitudeColumn = latitudeColumn
    self.wktColumn = wktColumn
  }
}

/// Versions of the libraries that read the data; part of the lineage.
public struct LibraryVersions: Codable, Sendable, Equatable {
  public var gdal: String
  public var proj: String
  public var geos: String

  public init(gdal: String, proj: String, geos: String) {
    self.gdal = gdal
    self.proj = proj
    self.geos = geos
  }
}

/// One column of a served table.
public struct ColumnSchema: Codable, Sendable, Equatable {
  /// Column name in the table.
  public var name: String
  /// Field name in the source.
  public var sourceName: String
  /// PostgreSQL type, for instance `int8`.
  public var sqlType: String
  /// OGR type, for instance `Integer64` or `String(JSON)`.
  public var sourceType: String
  /// Of the loaded table; nil before.
  public var statistics: ColumnStatistics?

  public init(
    name: String, sourceName: String, sqlType: String, sourceType: String, statistics: ColumnStatistics? = nil
  ) {
    self.name = name
    self.sourceName = sourceName
    self.sqlType = sqlType
    self.sourceType = sourceType
    self.statistics = statistics
  }
}

/// What a column holds.
public struct ColumnStatistics: Codable, Sendable, Equatable {
  public struct FrequentValue: Codable, Sendable, Equatable {
    public var value: String
    /// Share of the rows, by the sample that ANALYZE took.
    public var share: Double

    public init(value: String, share: Double) {
      self.value = value
      self.share = share
    }
  }

  /// Rows without a value.
  public var nulls: Int64
  /// Of numbers, dates and times, as PostgreSQL writes them.
  public var minimum: String?
  public var maximum: String?
  /// Of texts and booleans, the most frequent first; nil: not looked for.
  public var frequent: [FrequentValue]?

  public init(nulls: Int64, minimum: String? = nil, maximum: String? = nil, frequent: [FrequentValue]? = nil) {
    self.nulls = nulls
    self.minimum = minimum
    self.maximum = maximum
    self.frequent = frequent
  }
}
