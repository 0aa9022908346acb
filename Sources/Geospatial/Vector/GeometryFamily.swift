internal import CGDAL

/// Points, lines or areas: a table holds one family, as its multi-type. A layer of several families becomes a table each.
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

  /// What the collections of a layer of several families are told apart by: `roads_line`.
  public var suffix: String {
    switch self {
    case .points: "point"
    case .lines: "line"
    case .polygons: "polygon"
    }
  }

  /// The family of a 2D type code that is stored as it is: no curve, no surface of faces.
  @inline(__always)
  init?(plain code: UInt32) {
    switch code {
    case 1, 4: self = .points
    case 2, 5: self = .lines
    case 3, 6: self = .polygons
    default: return nil
    }
  }

  /// The family of a 2D type code, curves and surfaces among them; nil for collections and what is not known.
  init?(_ code: UInt32) {
    switch code {
    case 1, 4: self = .points
    case 2, 5, 8, 9, 11, 13: self = .lines
    case 3, 6, 10, 12, 14, 15, 16, 17: self = .polygons
    default: return nil
    }
  }

  /// The families a geometry has parts of; none where it is empty or of no kind that is known.
  static func families(in geometry: OGRGeometryH) -> Set<GeometryFamily> {
    let code = OGR_GT_Flatten(OGR_G_GetGeometryType(geometry)).rawValue
    guard code == wkbGeometryCollection.rawValue else { return GeometryFamily(code).map { [$0] } ?? [] }
    return (0..<OGR_G_GetGeometryCount(geometry)).reduce(into: []) { found, index in
      if let part = OGR_G_GetGeometryRef(geometry, index) { found.formUnion(families(in: part)) }
    }
  }

  /// The error for a type that belongs to no family.
  static func unsupported(_ type: OGRwkbGeometryType, layer: String, feature: Int64?) -> GeospatialError {
    let name = OGRGeometryTypeToName(type).map { String(cString: $0) } ?? "unknown"
    return GeospatialError(
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
