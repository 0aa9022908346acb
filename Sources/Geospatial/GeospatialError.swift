/// Why data could not be read or used. `code` is the stable reason; JobTypes' `Reason` holds the same words.
public struct GeospatialError: Error, Sendable, Equatable {
  /// Stable reasons this module throws.
  public enum Code: String, Sendable, CaseIterable {
    case sourceNotFound = "SOURCE_NOT_FOUND"
    case sourceUnreadable = "SOURCE_UNREADABLE"
    case sourceOutsideRoots = "SOURCE_OUTSIDE_ROOTS"
    case sourceSchemeUnsupported = "SOURCE_SCHEME_UNSUPPORTED"
    case sourceInvalid = "SOURCE_INVALID"
    case sourceEmpty = "SOURCE_EMPTY"
    case sourceCorrupt = "SOURCE_CORRUPT"
    case sourceTruncated = "SOURCE_TRUNCATED"
    case sourceIncomplete = "SOURCE_INCOMPLETE"
    case sourceChanged = "SOURCE_CHANGED"
    case sourceInUse = "SOURCE_IN_USE"
    case sourceTooLarge = "SOURCE_TOO_LARGE"
    case archiveRefused = "ARCHIVE_REFUSED"
    case archiveAmbiguous = "ARCHIVE_AMBIGUOUS"
    case formatUnsupported = "FORMAT_UNSUPPORTED"
    case formatRefused = "FORMAT_REFUSED"
    case layerNotFound = "LAYER_NOT_FOUND"
    case layerAmbiguous = "LAYER_AMBIGUOUS"
    case tooManyLayers = "TOO_MANY_LAYERS"
    case noFeatures = "NO_FEATURES"
    case noGeometry = "NO_GEOMETRY"
    case mixedGeometry = "MIXED_GEOMETRY"
    case geometryUnsupported = "GEOMETRY_UNSUPPORTED"
    case geometryTooLarge = "GEOMETRY_TOO_LARGE"
    case crsMissing = "CRS_MISSING"
    case crsConflict = "CRS_CONFLICT"
    case crsInvalid = "CRS_INVALID"
    case coordinatesOutOfRange = "COORDINATES_OUT_OF_RANGE"
    case coordinatesInvalid = "COORDINATES_INVALID"
    case tooManyColumns = "TOO_MANY_COLUMNS"
    case encodingError = "ENCODING_ERROR"
    case nullGeometryRefused = "NULL_GEOMETRY_REFUSED"
    case tooManyBands = "TOO_MANY_BANDS"
    case pixelTypeUnsupported = "PIXEL_TYPE_UNSUPPORTED"
    case notGeoreferenced = "NOT_GEOREFERENCED"
    case rasterEmpty = "RASTER_EMPTY"
    case tooManyFiles = "TOO_MANY_FILES"
    case optionUnsuitable = "OPTION_UNSUITABLE"
    case rasterTooLarge = "RASTER_TOO_LARGE"
    case diskFull = "DISK_FULL"
    case countMismatch = "COUNT_MISMATCH"
    case readError = "READ_ERROR"
    case outOfMemory = "OUT_OF_MEMORY"
  }

  public var code: Code
  /// One or two sentences a person understands.
  public var message: String
  public var layer: String?
  /// The source's feature id.
  public var feature: Int64?
  /// Byte offset in the source file.
  public var byte: Int64?
  /// Source column name.
  public var field: String?
  public var details: [String: String]

  public init(
    _ code: Code, _ message: String, layer: String? = nil, feature: Int64? = nil, byte: Int64? = nil,
    field: String? = nil, details: [String: String] = [:]
  ) {
    self.code = code
    self.message = message
    self.layer = layer
    self.feature = feature
    self.byte = byte
    self.field = field
    self.details = details
  }
}

/// Reasons of warnings this module counts; JobTypes' `WarningReason` holds the same words.
public enum WarningCode: String, Sendable, CaseIterable {
  case nullGeometry = "NULL_GEOMETRY"
  case emptyGeometry = "EMPTY_GEOMETRY"
  case geometryRepaired = "GEOMETRY_REPAIRED"
  case geometryCollapsed = "GEOMETRY_COLLAPSED"
  case antimeridianSplit = "ANTIMERIDIAN_SPLIT"
  case dimensionsDropped = "DIMENSIONS_DROPPED"
  case curvesLinearized = "CURVES_LINEARIZED"
  case geometryTakenApart = "GEOMETRY_TAKEN_APART"
  case columnsRenamed = "COLUMNS_RENAMED"
  case fidReplaced = "FID_REPLACED"
  case layerSkipped = "LAYER_SKIPPED"
  /// A layer of attributes only, beside layers that have geometries.
  case noGeometry = "NO_GEOMETRY"
  case crsAssumed = "CRS_ASSUMED"
  case crsFromRequest = "CRS_FROM_REQUEST"
  case dateInvalid = "DATE_INVALID"
  case readerRemark = "READER_REMARK"
  case recordRejected = "RECORD_REJECTED"
  case rowRagged = "ROW_RAGGED"
  /// At least nine tenths of a raster are nothing.
  case mostlyNodata = "MOSTLY_NODATA"
  /// Files of a collection that cannot be used.
  case fileRejected = "FILE_REJECTED"
  /// Longitudes beyond 180 degrees are counted from the antimeridian.
  case longitudesShifted = "LONGITUDES_SHIFTED"
  /// Pixels that are no number, and not said to be nothing.
  case notANumber = "NOT_A_NUMBER"
}

/// Warnings counted by reason, with the first few places of each.
public struct WarningTally: Sendable {
  /// One place a warning was seen at.
  public struct Example: Sendable, Equatable {
    public var layer: String?
    public var feature: Int64?
    public var detail: String
  }

  /// Count and first places of one reason.
  public struct Entry: Sendable, Equatable {
    public var count: Int64 = 0
    public var examples: [Example] = []
  }

  /// Most examples kept for a reason.
  public static let maximumExamples = 1000

  public private(set) var entries: [WarningCode: Entry] = [:]

  public init() {}

  /// Counts one more. `detail` is evaluated only while examples are still wanted.
  public mutating func add(
    _ code: WarningCode, layer: String?, feature: Int64? = nil, detail: @autoclosure () -> String, count: Int64 = 1
  ) {
    entries[code, default: Entry()].count += count
    if entries[code, default: Entry()].examples.count < Self.maximumExamples {
      entries[code, default: Entry()].examples.append(Example(layer: layer, feature: feature, detail: detail()))
    }
  }

  /// Counts more of what has its examples already.
  mutating func add(_ code: WarningCode, times: Int64) {
    if times > 0 { entries[code, default: Entry()].count += times }
  }

  /// Adds what was counted elsewhere; examples as far as they are still wanted.
  public mutating func add(_ other: WarningTally) {
    for (code, entry) in other.entries {
      let room = Self.maximumExamples - entries[code, default: Entry()].examples.count
      entries[code, default: Entry()].count += entry.count
      entries[code, default: Entry()].examples.append(contentsOf: entry.examples.prefix(max(room, 0)))
    }
  }

  /// How often `code` was counted.
  public func count(_ code: WarningCode) -> Int64 { entries[code]?.count ?? 0 }
}
