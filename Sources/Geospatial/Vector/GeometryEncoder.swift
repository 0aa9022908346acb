internal import CGDAL
internal import Glibc

/// Takes geometries as the reader gives them and appends them to a COPY row as PostGIS wants them: EPSG:4326, split at the
/// antimeridian, valid, two dimensions, multi-type. The common case is one export straight into the row and one pass over
/// its bytes; only what that pass finds suspicious is taken apart.
final class GeometryEncoder {
  /// What became of a geometry.
  enum Outcome: Equatable {
    case stored
    /// There is no geometry, or none is left; nothing was appended.
    case nothing(WarningCode)
  }

  private let layer: String
  private let family: GeometryFamily
  /// Every family of the layer; features of the others go to tables of their own.
  private let families: [GeometryFamily]
  private let transformation: TransformationToWGS84
  private let geos: GEOSContext
  private var inspector: WKBInspector
  private let split: AntimeridianSplit

  /// Box of everything stored.
  private(set) var box = BoundingBox()
  private(set) var repaired: Int64 = 0
  private(set) var splitCount: Int64 = 0
  private(set) var dimensionsDropped: Int64 = 0
  /// Geometries that had to be taken apart: the share of the slow way.
  private(set) var inspectedClosely: Int64 = 0
  /// Kept by the caller for its warnings; set for each geometry.
  private(set) var lastNotes: Notes = []

  /// What was done to the last geometry.
  struct Notes: OptionSet {
    let rawValue: UInt8
    static let repaired = Notes(rawValue: 1)
    static let split = Notes(rawValue: 2)
    static let flattened = Notes(rawValue: 4)
    static let drewCurves = Notes(rawValue: 8)
    static let tookApart = Notes(rawValue: 16)
  }

  init(
    layer: String, family: GeometryFamily, families: [GeometryFamily], transformation: TransformationToWGS84
  ) throws(GeospatialError) {
    self.layer = layer
    self.family = family
    self.families = families
    self.transformation = transformation
    geos = try GEOSContext()
    inspector = WKBInspector(antimeridianJump: transformation.antimeridianJump)
    split = AntimeridianSplit(geos: geos, jump: transformation.antimeridianJump)
  }

  deinit { inspector.deallocate() }

  /// Where a feature of a layer belongs.
  enum Placement {
    /// Counted here.
    case home
    /// Has a part here, and is counted with another family.
    case guest
    case elsewhere
  }

  /// Whether a feature with this geometry goes into this table.
  func placement(of geometry: OGRGeometryH?) -> Placement {
    guard families.count > 1 else { return .home }
    let found = geometry.map { GeometryFamily.families(in: $0) } ?? []
    // What has no family of the layer must be told by somebody: by the first.
    if (families.first(where: found.contains) ?? families[0]) == family { return .home }
    return found.contains(family) ? .guest : .elsewhere
  }

  /// Appends the length-prefixed field for `geometry`. May change `geometry`.
  ///
  /// - Throws: `COORDINATES_*` for a record that cannot be stored; other codes are about the whole layer.
  func append(
    _ geometry: OGRGeometryH?, feature: Int64, to row: RowBuffer, errors: ErrorCapture
  ) throws(GeospatialError) -> Outcome {
    lastNotes = []
    guard let geometry else { return .nothing(.nullGeometry) }
    let type = OGR_G_GetGeometryType(geometry)
    if GeometryFamily(plain: OGR_GT_Flatten(type).rawValue) == family {
      return try appendPlain(geometry, type, feature: feature, to: row, errors: errors)
    }
    if OGR_G_IsEmpty(geometry) != 0 { return .nothing(.emptyGeometry) }
    let found = GeometryFamily.families(in: geometry)
    guard !found.isEmpty else { throw GeometryFamily.unsupported(type, layer: layer, feature: feature) }
    guard found.isSubset(of: families) else {
      let declared = families.map(\.suffix).joined(separator: ", ")
      throw GeospatialError(
        .mixedGeometry, "The layer is declared to hold geometries of kind \(declared) only; this is another.",
        layer: layer, feature: feature)
    }
    guard let parts = PlainParts(of: geometry, family: family) else {
      throw unusable("its curves or parts cannot be taken apart", feature)
    }
    if parts.drewCurves { lastNotes.insert(.drewCurves) }
    if parts.tookApart { lastNotes.insert(.tookApart) }
    let plain = parts.geometry
    return try appendPlain(plain, OGR_G_GetGeometryType(plain), feature: feature, to: row, errors: errors)
  }

  private func appendPlain(
    _ geometry: OGRGeometryH, _ type: OGRwkbGeometryType, feature: Int64, to row: RowBuffer, errors: ErrorCapture
  ) throws(GeospatialError) -> Outcome {
    if OGR_G_IsEmpty(geometry) != 0 { return .nothing(.emptyGeometry) }
    if let transform = transformation.handle, OGR_G_Transform(geometry, transform) != OGRERR_NONE {
      let why = errors.takeFailures().text(or: "no reason given")
      throw GeospatialError(
        .coordinatesOutOfRange,
        "A coordinate cannot be transformed from \(transformation.source.label) to EPSG:4326: \(why)",
        layer: layer, feature: feature)
    }
    if OGR_GT_HasZ(type) != 0 || OGR_GT_HasM(type) != 0 {
      OGR_G_FlattenTo2D(geometry)
      dimensionsDropped += 1
      lastNotes.insert(.flattened)
    }
    return try store(geometry, feature: feature, to: row)
  }

  /// Bytes of one geometry. A web client could not draw more, and a child holds several copies of one at a time.
  static let maximumBytes = 32 << 20

  /// Length, EWKB header, count of parts.
  private static let headerSize = 4 + 9 + 4

  private func store(_ geometry: OGRGeometryH, feature: Int64, to row: RowBuffer) throws(GeospatialError) -> Outcome {
    let start = row.count
    let size = Int(OGR_G_WkbSizeEx(geometry))
    guard size <= Self.maximumBytes else {
      throw GeospatialError(
        .geometryTooLarge, "The geometry has \(size >> 20) MiB; \(Self.maximumBytes >> 20) are allowed.", layer: layer,
        feature: feature, details: ["bytes": "\(size)"])
    }
    let isMulti = OGR_GT_Flatten(OGR_G_GetGeometryType(geometry)).rawValue == family.multiCode
    // ISO WKB of a multi-geometry begins with 9 bytes that our header (which has an SRID besides) replaces.
    let overlap = isMulti ? 9 : 0
    let field = row.extend(by: Self.headerSize + size - overlap)
    let body = field + Self.headerSize
    guard OGR_G_ExportToIsoWkb(geometry, wkbNDR, (body - overlap).assumingMemoryBound(to: UInt8.self)) == OGRERR_NONE
    else { throw unusable("it cannot be written as WKB", feature) }
    let count = isMulti ? Int((body - 4).loadUnaligned(as: UInt32.self)) : 1
    if count == 0 { return nothing(.emptyGeometry, row, start) }
    writeHeader(field, bytes: size - overlap, parts: UInt32(count))
    let parts = UnsafeRawBufferPointer(start: body, count: size - overlap)
    let attention = inspector.inspect(parts, count: count, family: family)
    if attention.isEmpty {
      box.add(inspector.box)
      return .stored
    }
    if attention.contains(.malformed) { throw unusable("its parts do not fit together", feature) }
    if attention.contains(.notFinite) { throw unusable("a coordinate is not a number", feature) }
    if attention.contains(.outOfRange) {
      throw GeospatialError(
        .coordinatesOutOfRange,
        "A coordinate is outside longitude ±180, latitude ±90 degrees (the geometry spans \(inspector.box.minX) "
          + "\(inspector.box.minY) to \(inspector.box.maxX) \(inspector.box.maxY)).", layer: layer, feature: feature)
    }
    inspectedClosely += 1
    return try mend(parts, count: count, attention: attention, feature: feature, row: row, start: start)
  }

  /// The slow way: split, then make valid, then write the field again.
  private func mend(
    _ parts: UnsafeRawBufferPointer, count: Int, attention: WKBInspector.Attention, feature: Int64, row: RowBuffer,
    start: Int
  ) throws(GeospatialError) -> Outcome {
    var pieces: [[UInt8]]?
    var didSplit = false
    if attention.contains(.antimeridian) {
      guard let rings = WKB.rings(of: parts, count: count, family: family),
        let result = split.split(rings, family: family)
      else { throw unusable("it cannot be split at the antimeridian", feature) }
      pieces = result
      didSplit = true
    }
    var didRepair = false
    if family != .points {
      var wkb: [UInt8] = WKB.multi(family, parts: pieces ?? [])
      if pieces == nil {
        wkb.removeLast(4)
        withUnsafeBytes(of: UInt32(count).littleEndian) { wkb.append(contentsOf: $0) }
        wkb.append(contentsOf: parts)
      }
      guard let drawn = geos.read(wkb) else { throw unusable("its rings or lines are broken", feature) }
      if !geos.isValid(drawn) || attention.contains(.emptyPart) {
        guard let valid = geos.makeValid(drawn) else { throw unusable("it cannot be made valid", feature) }
        pieces = geos.parts(of: valid, family: family)
        didRepair = !attention.contains(.emptyPart) || attention.contains(.validity)
      }
    }
    if didSplit {
      splitCount += 1
      lastNotes.insert(.split)
    }
    if let pieces {
      if pieces.isEmpty { return nothing(.geometryCollapsed, row, start) }
      row.rewind(to: start)
      let size = pieces.reduce(0) { $0 + $1.count }
      let field = row.extend(by: Self.headerSize + size)
      writeHeader(field, bytes: size, parts: UInt32(pieces.count))
      var at = field + Self.headerSize
      for piece in pieces {
        piece.withUnsafeBytes { at.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        at += piece.count
      }
      _ = inspector.inspect(
        UnsafeRawBufferPointer(start: field + Self.headerSize, count: size), count: pieces.count, family: family)
    }
    if didRepair {
      repaired += 1
      lastNotes.insert(.repaired)
    }
    box.add(inspector.box)
    return .stored
  }

  private func nothing(_ code: WarningCode, _ row: RowBuffer, _ start: Int) -> Outcome {
    row.rewind(to: start)
    return .nothing(code)
  }

  private func unusable(_ why: String, _ feature: Int64) -> GeospatialError {
    GeospatialError(.coordinatesInvalid, "The geometry cannot be stored: \(why).", layer: layer, feature: feature)
  }

  /// Field length (big-endian), then EWKB: byte order, type with the SRID flag, SRID, number of parts.
  @inline(__always)
  private func writeHeader(_ field: UnsafeMutableRawPointer, bytes: Int, parts: UInt32) {
    field.storeBytes(of: Int32(13 + bytes).bigEndian, as: Int32.self)
    field.storeBytes(of: 1, toByteOffset: 4, as: UInt8.self)
    field.storeBytes(of: (family.multiCode | 0x2000_0000).littleEndian, toByteOffset: 5, as: UInt32.self)
    field.storeBytes(of: UInt32(4326).littleEndian, toByteOffset: 9, as: UInt32.self)
    field.storeBytes(of: parts.littleEndian, toByteOffset: 13, as: UInt32.self)
  }
}
