internal import Geospatial
internal import JobTypes
internal import TaskProtocol

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// `verify`: what is served in preview is what was loaded, by SQL where the role may read and through the data API always.
enum VerifyHandler: TaskHandler {
  static let version: Int32 = 1

  static func run(_ context: TaskContext) throws -> String {
    let parameters = try context.parameters(VerifyParameters.self)
    guard let base = context.assignment.dataAPIURL else {
      throw ProblemReport(.parametersInvalid, "verify needs the address of the data API.")
    }
    let reporter = context.reporter
    let connection = try context.assignment.database.map { database in
      try DatabaseConnection(database) { try reporter.alive() }
    }
    var checks: [VerifyCheck] = []
    let total = Int64(parameters.collections.count)
    for (index, collection) in parameters.collections.enumerated() {
      try reporter.progress(
        "verify", unit: "collections", done: Int64(index), total: total, message: "Checking \(collection.id)")
      if let connection { checks += try TableCheck(collection, connection).run() }
      checks += try ServedCheck(
        collection, url: "\(base)\(parameters.endpointPath)", token: parameters.previewToken
      ).run()
    }
    if let raster = parameters.raster {
      try reporter.progress("verify", unit: "collections", done: 0, total: 1, message: "Checking what is served")
      checks += try RasterCheck(
        raster, url: "\(base)\(parameters.endpointPath)", token: parameters.previewToken
      ).run()
    }
    try reporter.progress("verify", unit: "collections", done: total, total: total, message: "Everything agrees")
    if let wrong = checks.first(where: { $0.expected != $0.actual }) {
      throw ProblemReport(
        .verifyFailed,
        "\(wrong.collection): \(wrong.name) should be \(wrong.expected) and is \(wrong.actual).",
        details: ["check": wrong.name, "via": wrong.via, "expected": wrong.expected, "actual": wrong.actual])
    }
    return try JSONText.encode(VerifyResult(checks: checks))
  }
}

/// Count, extent and columns by SQL.
private struct TableCheck {
  let collection: VerifyCollection
  let connection: DatabaseConnection

  init(_ collection: VerifyCollection, _ connection: DatabaseConnection) {
    self.collection = collection
    self.connection = connection
  }

  func run() throws -> [VerifyCheck] {
    let rights = try connection.run(
      """
      SELECT (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'))::text
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2
      """, [collection.schema, collection.table])
    guard let right = rights.first?.first else { return [check("table", "present", "missing")] }
    // A slot's role may have lost its rights when the server took the table over: then the data API alone is asked.
    guard right == "true" else { return [] }
    let name = DatabaseConnection.quoted(collection.schema) + "." + DatabaseConnection.quoted(collection.table)
    let hasGeometry = collection.hasGeometry ?? true
    let extentOf = """
      count(geom), public.ST_XMin(public.ST_Extent(geom)), public.ST_YMin(public.ST_Extent(geom)),
        public.ST_XMax(public.ST_Extent(geom)), public.ST_YMax(public.ST_Extent(geom))
      """
    let row =
      try connection.run(
        "SELECT count(*), \(hasGeometry ? extentOf : "0, NULL, NULL, NULL, NULL") FROM \(name)"
      ).first ?? []
    guard row.count == 6 else { return [check("count", "\(collection.count)", "none")] }
    let extent = row.dropFirst(2).compactMap { $0.flatMap(Double.init) }
    let columns = try connection.run(
      """
      SELECT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = $1 AND c.relname = $2 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
      """, [collection.schema, collection.table]
    ).compactMap { $0.first.flatMap { $0 } }
    return [
      check("count", "\(collection.count)", row[0] ?? ""),
      check("with_geometry", "\(collection.withGeometry)", row[1] ?? ""),
      check("extent", Self.text(collection.bbox ?? []), Self.text(extent)),
      check(
        "columns", (["fid"] + collection.columns + (hasGeometry ? ["geom"] : [])).joined(separator: ","),
        columns.joined(separator: ",")),
    ]
  }

  /// Nine decimals: 0.1 mm. PostGIS keeps extents in double precision.
  private static func text(_ box: [Double]) -> String {
    box.map { "\(($0 * 1e9).rounded() / 1e9 + 0)" }.joined(separator: ",")
  }

  private func check(_ name: String, _ expected: String, _ actual: String) -> VerifyCheck {
    VerifyCheck(collection: collection.id, name: name, via: "sql", expected: expected, actual: actual)
  }
}

/// Count and one feature through the preview route.
private struct ServedCheck {
  let collection: VerifyCollection
  let url: String
  let token: String

  init(_ collection: VerifyCollection, url: String, token: String) {
    self.collection = collection
    self.url = url
    self.token = token
  }

  /// What is read of a GeoJSON answer.
  private struct Answer: Decodable {
    struct Feature: Decodable {
      struct Geometry: Decodable { var type: String }
      struct Ignored: Decodable { init(from decoder: any Decoder) throws {} }
      var geometry: Geometry?
      var properties: [String: Ignored]?
    }
    var numberMatched: Int64?
    var features: [Feature]
  }

  func run() throws -> [VerifyCheck] {
    let id = collection.id.addingPercentEncodingForPath
    let address = "/collections/\(id)/items?limit=1"
    let preview = PreviewRoute(url: url, token: token)
    let body = try preview.get(address, accept: "application/geo+json", what: "collection \(collection.id)")
    let answer: Answer
    do { answer = try JSONDecoder().decode(Answer.self, from: Data(body)) } catch {
      throw ProblemReport(.verifyFailed, "The data API's answer for \(collection.id) is no feature collection.")
    }
    let feature = answer.features.first
    var checks = [
      check("api_count", "\(collection.count)", answer.numberMatched.map { "\($0)" } ?? "missing"),
      check("api_sample", collection.count == 0 ? "0" : "1", "\(answer.features.count)"),
    ]
    if collection.withGeometry == collection.count && collection.count > 0 {
      checks.append(check("api_geometry", "present", feature?.geometry == nil ? "missing" : "present"))
    }
    let served = Set(feature?.properties.map { Array($0.keys) } ?? [])
    let missing = collection.columns.filter { !served.contains($0) }
    checks.append(check("api_columns", "", missing.joined(separator: ",")))
    return checks
  }

  private func check(_ name: String, _ expected: String, _ actual: String) -> VerifyCheck {
    VerifyCheck(collection: collection.id, name: name, via: "data_api", expected: expected, actual: actual)
  }
}

extension String {
  /// Everything but RFC 3986's unreserved characters as %XX.
  fileprivate var addingPercentEncodingForPath: String {
    utf8.map { byte in
      let isPlain =
        (byte >= 48 && byte <= 57) || (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122)
        || [45, 46, 95, 126].contains(byte)
      return isPlain ? String(UnicodeScalar(byte)) : "%" + hexByte(byte)
    }.joined()
  }
}

private func hexByte(_ byte: UInt8) -> String {
  let digits = Array("0123456789ABCDEF")
  return String([digits[Int(byte >> 4)], digits[Int(byte & 15)]])
}
