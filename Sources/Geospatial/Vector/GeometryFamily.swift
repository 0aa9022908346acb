internal import CGDAL

/// Points, lines or areas: a table holds one family, as its multi-type.
public enum GeometryFamily: String, Sendable, CaseIterable {
  case points = "MultiPoint"
  case lines = "MultiLineString"
  case polygons = "MultiPolygon"

  /// PostGIS type name of the geometry column.
  public var typeName: String { rawValue }

  /// OGC WKB code of the single type.
  var singleCode: UInt32 {
    switch self {
    case .points: 1
    case .lines: 2
    case .polygons: 3
    }
  }

  /// OGC WKB code of the multi-type.
  var multiCode: UInt32 { singleCode + 3 }

  /// The family of a 2D type code without curves.
  init?(code: UInt32) {
    switch code {
    case 1, 4: self = .points
    case 2, 5: self = .lines
    case 3, 6: self = .polygons
    default: return nil
    }
  }

  /// The family of an OGR geometry type; curves and types without a family are thrown by name.
  init(_ type: OGRwkbGeometryType, layer: String, feature: Int64?) throws(GeospatialError) {
    let flat = OGR_GT_Flatten(type)
    if let family = GeometryFamily(code: flat.rawValue) {
      self = family
      return
    }
    let name = OGRGeometryTypeToName(type).map { String(cString: $0) } ?? "unknown"
    if OGR_GT_IsNonLinear(type) != 0 {
      throw GeospatialError(
        .curvesUnsupported, "The layer holds curves (\(name)), which cannot be served.", layer: layer, feature: feature)
    }
    throw GeospatialError(
      .geometryUnsupported, "The layer holds \(name), which cannot be served.", layer: layer, feature: feature,
      details: ["geometry_type": name])
  }
}

/// West, south, east and north in degrees.
public struct BoundingBox: Sendable, Equatable {
  public var minX = Double.infinity
  public var minY = Double.infinity
  public var maxX = -Double.infinity
  public var maxY = -Double.infinity

  public init() {}

  /// No point was added yet.
  public var isEmpty: Bool { minX > maxX }

  @inline(__always)
  mutating func add(_ x: Double, _ y: Double) {
    if x < minX { minX = x }
    if x > maxX { maxX = x }
    if y < minY { minY = y }
    if y > maxY { maxY = y }
  }

  mutating func add(_ other: BoundingBox) {
    if other.minX < minX { minX = other.minX }
    if other.maxX > maxX { maxX = other.maxX }
    if other.minY < minY { minY = other.minY }
    if other.maxY > maxY { maxY = other.maxY }
  }

  /// minx, miny, maxx, maxy; nil when empty.
  public var array: [Double]? { isEmpty ? nil : [minX, minY, maxX, maxY] }
}
