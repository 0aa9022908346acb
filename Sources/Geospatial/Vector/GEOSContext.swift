internal import CGDAL

/// GEOS with a context, a reader and a writer of its own, kept for a whole load: making them anew for each geometry, as
/// OGR's calls do, costs more than most validity tests.
final class GEOSContext {
  let handle: GEOSContextHandle_t
  private let reader: OpaquePointer
  private let writer: OpaquePointer
  private let makeValidParams: OpaquePointer

  init() throws(GeospatialError) {
    guard let handle = GEOS_init_r(), let reader = GEOSWKBReader_create_r(handle),
      let writer = GEOSWKBWriter_create_r(handle), let params = GEOSMakeValidParams_create_r(handle)
    else { throw GeospatialError(.outOfMemory, "No memory for GEOS.") }
    self.handle = handle
    self.reader = reader
    self.writer = writer
    makeValidParams = params
    GEOSWKBReader_setFixStructure_r(handle, reader, 1)
    GEOSWKBWriter_setOutputDimension_r(handle, writer, 2)
    GEOSWKBWriter_setByteOrder_r(handle, writer, 1)
    GEOSWKBWriter_setIncludeSRID_r(handle, writer, 0)
    GEOSMakeValidParams_setMethod_r(handle, params, GEOS_MAKE_VALID_STRUCTURE)
    GEOSMakeValidParams_setKeepCollapsed_r(handle, params, 0)
  }

  deinit {
    GEOSMakeValidParams_destroy_r(handle, makeValidParams)
    GEOSWKBWriter_destroy_r(handle, writer)
    GEOSWKBReader_destroy_r(handle, reader)
    GEOS_finish_r(handle)
  }

  /// A geometry that frees itself.
  final class Geometry {
    let pointer: OpaquePointer
    private let context: GEOSContext

    fileprivate init(_ pointer: OpaquePointer, _ context: GEOSContext) {
      self.pointer = pointer
      self.context = context
    }

    deinit { GEOSGeom_destroy_r(context.handle, pointer) }
  }

  private func own(_ pointer: OpaquePointer?) -> Geometry? { pointer.map { Geometry($0, self) } }

  /// Reads WKB; unclosed rings are closed. Nil where that is not enough.
  func read(_ wkb: UnsafeRawBufferPointer) -> Geometry? {
    own(GEOSWKBReader_read_r(handle, reader, wkb.bindMemory(to: UInt8.self).baseAddress, wkb.count))
  }

  func read(_ wkb: [UInt8]) -> Geometry? { wkb.withUnsafeBytes { read($0) } }

  func isValid(_ geometry: Geometry) -> Bool { GEOSisValid_r(handle, geometry.pointer) == 1 }

  func isEmpty(_ geometry: Geometry) -> Bool { GEOSisEmpty_r(handle, geometry.pointer) != 0 }

  /// The valid geometry closest to the drawn one (structure method: areas stay areas, collapsed parts go).
  func makeValid(_ geometry: Geometry) -> Geometry? {
    own(GEOSMakeValidWithParams_r(handle, geometry.pointer, makeValidParams))
  }

  func intersection(_ a: Geometry, _ b: Geometry) -> Geometry? {
    own(GEOSIntersection_r(handle, a.pointer, b.pointer))
  }

  /// Box as a polygon.
  func rectangle(minX: Double, minY: Double, maxX: Double, maxY: Double) -> Geometry? {
    own(GEOSGeom_createRectangle_r(handle, minX, minY, maxX, maxY))
  }

  /// WKB of every part of the family in `geometry`, at any depth, longitudes moved by `shift` degrees.
  func parts(of geometry: Geometry, family: GeometryFamily, shiftedBy shift: Double = 0) -> [[UInt8]] {
    var parts: [[UInt8]] = []
    collect(geometry.pointer, family, shift, &parts)
    return parts
  }

  private func collect(_ geometry: OpaquePointer, _ family: GeometryFamily, _ shift: Double, _ parts: inout [[UInt8]]) {
    if GEOSisEmpty_r(handle, geometry) != 0 { return }
    // GEOS' type ids: 0 point, 1 line, 2 ring, 3 polygon, 4… multi-types and collections.
    let type = GEOSGeomTypeId_r(handle, geometry)
    if type >= 4 {
      for index in 0..<GEOSGetNumGeometries_r(handle, geometry) {
        if let part = GEOSGetGeometryN_r(handle, geometry, index) { collect(part, family, shift, &parts) }
      }
      return
    }
    let wanted: Bool
    switch family {
    case .points: wanted = type == 0
    case .lines: wanted = type == 1
    case .polygons: wanted = type == 3
    }
    guard wanted else { return }
    var size = 0
    guard let bytes = GEOSWKBWriter_write_r(handle, writer, geometry, &size) else { return }
    defer { GEOSFree_r(handle, bytes) }
    var wkb = [UInt8](UnsafeBufferPointer(start: bytes, count: size))
    if shift != 0 { WKB.shiftLongitudes(of: &wkb, by: shift) }
    parts.append(wkb)
  }
}
