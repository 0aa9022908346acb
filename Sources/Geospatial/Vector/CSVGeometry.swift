internal import CGDAL

/// Geometry out of CSV columns, read by ourselves: GDAL takes text that is no coordinate for a missing geometry and says
/// so once at most.
enum CSVGeometry {
  private static let longitudes = ["lon", "longitude", "lng", "long", "x", "easting", "point_x", "xcoord"]
  private static let latitudes = ["lat", "latitude", "y", "northing", "point_y", "ycoord"]
  private static let texts = ["wkt", "geom", "geometry", "the_geom", "wkt_geom", "geom_wkt", "shape"]

  /// Columns that could be coordinates, for people.
  static func candidates(_ names: [String]) -> [String] {
    names.filter { name in
      let lower = name.lowercased()
      return (longitudes + latitudes + texts).contains { lower == $0 || (lower.contains($0) && $0.count > 2) }
    }
  }

  /// The columns the geometry comes from: the ones asked for, else by their usual names.
  static func columns(
    of names: [String], layer: String, options: VectorReadOptions
  ) throws(GeospatialError) -> VectorLayer.GeometrySource {
    func index(_ name: String) throws(GeospatialError) -> Int32 {
      guard let found = names.firstIndex(where: { $0.lowercased() == name.lowercased() }) else {
        throw GeospatialError(
          .noGeometry, "There is no column \(name).", layer: layer, field: name,
          details: ["columns": names.prefix(200).joined(separator: ", ")])
      }
      return Int32(found)
    }
    func usual(_ wanted: [String]) -> Int32? {
      for word in wanted {
        if let found = names.firstIndex(where: { $0.lowercased() == word }) { return Int32(found) }
      }
      return nil
    }
    if let wkt = options.wktColumn { return .wkt(try index(wkt)) }
    if let x = options.longitudeColumn, let y = options.latitudeColumn {
      return .coordinates(x: try index(x), y: try index(y))
    }
    if let x = usual(longitudes), let y = usual(latitudes) { return .coordinates(x: x, y: y) }
    if let wkt = usual(texts) { return .wkt(wkt) }
    throw GeospatialError(
      .noGeometry, "No columns with coordinates or WKT were recognised; name them in the request.", layer: layer,
      details: [
        "columns": names.prefix(200).joined(separator: ", "),
        "candidates": candidates(names).joined(separator: ", "),
      ])
  }

  /// A geometry made for one row, which the caller destroys; nil for a row without coordinates.
  static func geometry(
    of feature: OGRFeatureH, source: VectorLayer.GeometrySource, layer: String, id: Int64
  ) throws(GeospatialError) -> OGRGeometryH? {
    switch source {
    case .features:
      return nil
    case .coordinates(let x, let y):
      let first = text(feature, x)
      let second = text(feature, y)
      if first == nil && second == nil { return nil }
      guard let first, let second, let easting = number(first), let northing = number(second) else {
        throw GeospatialError(
          .coordinatesInvalid, "The coordinates of row \(id) are no numbers.", layer: layer, feature: id)
      }
      let point = OGR_G_CreateGeometry(wkbPoint)
      OGR_G_SetPoint_2D(point, 0, easting, northing)
      return point
    case .wkt(let index):
      guard var wkt = text(feature, index) else { return nil }
      if let separator = srid(of: wkt) { wkt = wkt.advanced(by: separator.length) }
      var cursor: UnsafeMutablePointer<CChar>? = UnsafeMutablePointer(mutating: wkt)
      var geometry: OGRGeometryH?
      let error = ErrorCapture.during { _ in OGR_G_CreateFromWkt(&cursor, nil, &geometry) }
      guard error == OGRERR_NONE, let geometry else {
        throw GeospatialError(.coordinatesInvalid, "The WKT of row \(id) is none.", layer: layer, feature: id)
      }
      return geometry
    }
  }

  private static func text(_ feature: OGRFeatureH, _ index: Int32) -> UnsafePointer<CChar>? {
    guard OGR_F_IsFieldSetAndNotNull(feature, index) != 0, let text = OGR_F_GetFieldAsString(feature, index),
      text[0] != 0
    else { return nil }
    return text
  }

  private static func number(_ text: UnsafePointer<CChar>) -> Double? {
    guard CSVKind(text: text) != .text || CPLGetValueType(text) != CPL_VALUE_STRING else { return nil }
    let value = CPLAtof(text)
    return value.isFinite ? value : nil
  }

  /// The SRID of `SRID=n;WKT`, and how long that prefix is.
  static func srid(of text: UnsafePointer<CChar>) -> (code: Int32, length: Int)? {
    let prefix = "SRID="
    var at = 0
    for byte in prefix.utf8 {
      guard UInt8(bitPattern: text[at]) & 0xDF == byte & 0xDF || UInt8(bitPattern: text[at]) == byte else { return nil }
      at += 1
    }
    var code: Int32 = 0
    while let digit = Character(UnicodeScalar(UInt8(bitPattern: text[at]))).wholeNumberValue, at < 12 {
      code = code * 10 + Int32(digit)
      at += 1
    }
    guard text[at] == CChar(bitPattern: UInt8(ascii: ";")) else { return nil }
    return (code, at + 1)
  }
}

/// What a CSV value can be stored as without losing anything a person wrote on purpose: `007` and numbers beyond 64 bits
/// stay text.
enum CSVKind: Int, Comparable {
  case int8
  case float8
  case text

  static func < (a: CSVKind, b: CSVKind) -> Bool { a.rawValue < b.rawValue }

  init(text: UnsafePointer<CChar>) {
    func isDigit(_ byte: CChar) -> Bool { byte >= 48 && byte <= 57 }
    var at = text[0] == 45 ? 1 : 0
    let start = at
    while isDigit(text[at]) { at += 1 }
    let digits = at - start
    guard digits > 0, !(digits > 1 && text[start] == 48) else {
      self = .text
      return
    }
    if text[at] == 0 {
      // 18 digits always fit; longer numbers are identifiers.
      self = digits <= 18 && !(start == 1 && text[1] == 48) ? .int8 : .text
      return
    }
    if text[at] == 46 {
      at += 1
      let fraction = at
      while isDigit(text[at]) { at += 1 }
      guard at > fraction else {
        self = .text
        return
      }
    }
    if text[at] == 101 || text[at] == 69 {
      at += 1
      if text[at] == 43 || text[at] == 45 { at += 1 }
      let exponent = at
      while isDigit(text[at]) { at += 1 }
      guard at > exponent, at - exponent <= 3 else {
        self = .text
        return
      }
    }
    self = text[at] == 0 ? .float8 : .text
  }
}
