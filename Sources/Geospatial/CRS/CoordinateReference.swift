internal import CGDAL

/// A coordinate reference system. Owns its GDAL object; coordinates are always longitude/easting first.
final class CoordinateReference {
  let handle: OGRSpatialReferenceH

  /// Takes over `handle`.
  private init(owning handle: OGRSpatialReferenceH) { self.handle = handle }

  deinit { OSRDestroySpatialReference(handle) }

  /// EPSG:4326 in longitude, latitude order.
  static func wgs84() throws(GeospatialError) -> CoordinateReference { try CoordinateReference(request: "EPSG:4326") }

  /// The reference system a layer carries, nil where it has none or one that says nothing (engineering systems,
  /// GeoPackage's undefined ones).
  convenience init?(ofLayer layer: OGRLayerH) {
    guard let theirs = OGR_L_GetSpatialRef(layer) else { return nil }
    self.init(copying: theirs)
  }

  convenience init?(copying theirs: OGRSpatialReferenceH) {
    guard let copy = OSRClone(theirs) else { return nil }
    // The clone keeps the driver's mapping of data axes.
    self.init(owning: copy)
    if OSRIsLocal(handle) != 0 || name.lowercased().hasPrefix("undefined") { return nil }
    if OSRIsGeographic(handle) == 0 && OSRIsProjected(handle) == 0 && OSRIsCompound(handle) == 0 { return nil }
  }

  /// The reference system named by a request: `AUTHORITY:CODE` or WKT. Names of files and URLs, which GDAL would follow,
  /// are refused.
  convenience init(request text: String) throws(GeospatialError) {
    let invalid = GeospatialError(
      .crsInvalid, "\(text.prefix(80)) is no coordinate reference system; write for instance EPSG:25832.",
      details: ["crs": String(text.prefix(200))])
    guard text.utf8.count <= 16_384, Self.isAuthorityCode(text) || Self.isWKT(text) else { throw invalid }
    guard let handle = OSRNewSpatialReference(nil) else { throw invalid }
    self.init(owning: handle)
    let error = ErrorCapture.during { _ in OSRSetFromUserInput(handle, text) }
    guard error == OGRERR_NONE else { throw invalid }
    OSRSetAxisMappingStrategy(handle, OAMS_TRADITIONAL_GIS_ORDER)
  }

  private static func isAuthorityCode(_ text: String) -> Bool {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    func word(_ part: Substring) -> Bool { !part.isEmpty && part.utf8.allSatisfy(isWordByte) }
    guard parts.count == 2, parts.allSatisfy(word) else {
      return text.hasPrefix("urn:ogc:def:crs:") && text.utf8.allSatisfy { isWordByte($0) || $0 == UInt8(ascii: ":") }
    }
    return ["EPSG", "OGC", "ESRI", "IAU", "IGNF"].contains(parts[0].uppercased())
  }

  private static func isWordByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"):
      true
    default: false
    }
  }

  private static func isWKT(_ text: String) -> Bool {
    ["GEOGCS[", "PROJCS[", "COMPD_CS[", "GEOGCRS[", "PROJCRS[", "COMPOUNDCRS[", "GEODCRS[", "BOUNDCRS["]
      .contains { text.hasPrefix($0) }
  }

  /// The system's own name, for instance `ETRS89 / UTM zone 32N`.
  var name: String { OSRGetName(handle).map { String(cString: $0) } ?? "" }

  /// `EPSG:25832` where the system has a code, else its name.
  var label: String {
    guard let authority = OSRGetAuthorityName(handle, nil), let code = OSRGetAuthorityCode(handle, nil) else {
      return name.isEmpty ? "unnamed" : name
    }
    return "\(String(cString: authority)):\(String(cString: code))"
  }

  var isGeographic: Bool { OSRIsGeographic(handle) != 0 }

  var isFromGreenwich: Bool { OSRGetPrimeMeridian(handle, nil) == 0 }

  /// The same geographic system with longitudes counted from the antimeridian; nil where that cannot be said.
  func fromAntimeridian() -> CoordinateReference? {
    guard let other = OSRNewSpatialReference(nil) else { return nil }
    // Under the datum's own name GeoTIFF's writer would write the datum's own meridian.
    let datum =
      (OSRGetAttrValue(handle, "DATUM", 0).map { String(cString: $0) } ?? "unknown") + "_from_the_antimeridian"
    let spheroid = OSRGetAttrValue(handle, "SPHEROID", 0).map { String(cString: $0) } ?? "unknown"
    var failure = OGRERR_NONE
    let axis = OSRGetSemiMajor(handle, &failure)
    let flattening = OSRGetInvFlattening(handle, &failure)
    let isMade = OSRSetGeogCS(
      other, "\(name), from the antimeridian", datum, spheroid, axis, flattening, "Antimeridian", 180, "degree",
      .pi / 180)
    guard isMade == OGRERR_NONE else {
      OSRDestroySpatialReference(other)
      return nil
    }
    OSRSetAxisMappingStrategy(other, OAMS_TRADITIONAL_GIS_ORDER)
    return CoordinateReference(owning: other)
  }

  /// Same system, whatever the order its authority gives the axes.
  func isSame(as other: CoordinateReference) -> Bool {
    guard OSRGetPrimeMeridian(handle, nil) == OSRGetPrimeMeridian(other.handle, nil) else { return false }
    let options = StringList([
      "IGNORE_DATA_AXIS_TO_SRS_AXIS_MAPPING=YES", "CRITERION=EQUIVALENT_EXCEPT_AXIS_ORDER_GEOGCRS",
    ])
    if options.withConstPointer({ OSRIsSameEx(handle, other.handle, $0) }) != 0 { return true }
    // A .prj written by other software names things differently: then the code it is recognised as decides.
    guard let code = bestMatch(), let otherCode = other.bestMatch() else { return false }
    return code == otherCode
  }

  /// The EPSG code this definition is recognised as with at least 90 % confidence.
  private func bestMatch() -> String? {
    if let authority = OSRGetAuthorityName(handle, nil), let code = OSRGetAuthorityCode(handle, nil) {
      return "\(String(cString: authority)):\(String(cString: code))"
    }
    var count: Int32 = 0
    var confidence: UnsafeMutablePointer<Int32>?
    guard let matches = ErrorCapture.during({ _ in OSRFindMatches(handle, nil, &count, &confidence) }) else {
      return nil
    }
    defer {
      OSRFreeSRSArray(matches)
      VSIFree(confidence)
    }
    guard count > 0, let first = matches[0], let confidence, confidence[0] >= 90,
      let authority = OSRGetAuthorityName(first, nil), let code = OSRGetAuthorityCode(first, nil)
    else { return nil }
    return "\(String(cString: authority)):\(String(cString: code))"
  }
}

/// Where the reference system of the coordinates came from.
public enum CRSOrigin: String, Sendable {
  case source
  case request
  /// None was given and the coordinates fit EPSG:4326.
  case assumed
}

/// The transformation of a layer's coordinates to EPSG:4326.
final class TransformationToWGS84 {
  let source: CoordinateReference
  let origin: CRSOrigin
  /// Nil where the coordinates already are EPSG:4326.
  let handle: OGRCoordinateTransformationH?
  /// Longitude jump between two neighbouring points from which a line is taken to cross the antimeridian, degrees. A
  /// projected source is continuous, so over half the globe is enough; geographic coordinates may mean a wide box, so only
  /// points within 5 degrees of the line on both sides count.
  var antimeridianJump: Double { source.isGeographic ? 350 : 180 }

  init(from source: CoordinateReference, origin: CRSOrigin) throws(GeospatialError) {
    self.source = source
    self.origin = origin
    let target = try CoordinateReference.wgs84()
    if source.isSame(as: target) && source.isGeographic {
      handle = nil
      return
    }
    handle = ErrorCapture.during { _ in OCTNewCoordinateTransformation(source.handle, target.handle) }
    if handle == nil {
      throw GeospatialError(.crsInvalid, "Coordinates in \(source.label) cannot be transformed to EPSG:4326.")
    }
  }

  deinit { if let handle { OCTDestroyCoordinateTransformation(handle) } }

  /// The rules of the data model: a source that says nothing needs the request; a request that says something else than
  /// the source is a conflict.
  static func choose(source: CoordinateReference?, request: String?, layer: String) throws(GeospatialError)
    -> TransformationToWGS84?
  {
    let asked: CoordinateReference?
    if let request { asked = try CoordinateReference(request: request) } else { asked = nil }
    switch (source, asked) {
    case (let source?, let asked?):
      guard source.isSame(as: asked) else {
        throw GeospatialError(
          .crsConflict, "The source says its coordinates are in \(source.label), the request says \(asked.label).",
          layer: layer, details: ["source_crs": source.label, "request_crs": asked.label])
      }
      return try TransformationToWGS84(from: source, origin: .source)
    case (let source?, nil): return try TransformationToWGS84(from: source, origin: .source)
    case (nil, let asked?): return try TransformationToWGS84(from: asked, origin: .request)
    case (nil, nil): return nil
    }
  }

  /// The reason for coordinates nobody explains.
  static func missing(layer: String) -> GeospatialError {
    GeospatialError(
      .crsMissing, "Neither the source nor the request says which coordinate reference system is used.", layer: layer)
  }
}
