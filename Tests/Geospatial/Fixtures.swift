import Foundation
import Testing

@testable import Geospatial

/// A folder of its own for one test, removed with the value.
final class Folder {
  let path: String

  init() throws {
    _ = Self.configured
    // Real path: the temporary folder may itself be reached through a link.
    let base = URL(fileURLWithPath: NSTemporaryDirectory()).resolvingSymlinksInPath().path
    path = base + "/terrane-geospatial-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  private static let configured: Void = GDALLibrary.configure()

  /// Writes a file and returns its path.
  @discardableResult
  func write(_ name: String, _ text: String) throws -> String { try write(name, Data(text.utf8)) }

  @discardableResult
  func write(_ name: String, _ data: Data) throws -> String {
    try data.write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    return "\(path)/\(name)"
  }

  func read(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name)")) }

  /// Runs a program of the system in the folder.
  func run(_ program: String, _ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [program] + arguments
    process.currentDirectoryURL = URL(fileURLWithPath: path)
    process.standardError = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "\(program) \(arguments)")
  }

  /// Converts with ogr2ogr, a writer that is not ours.
  func convert(_ from: String, to: String, format: String, _ more: [String] = []) throws {
    try run("ogr2ogr", ["-f", format, to, from] + more)
  }

  /// Opens a file of the folder the way a task does.
  func open(
    _ name: String, options: VectorReadOptions = VectorReadOptions(), roots: [String]? = nil
  ) throws -> VectorDataset {
    let address = try SourceAddress("file://\(path)/\(name)", allowedRoots: roots ?? [path])
    return try VectorDataset(VectorSource(address), options: options)
  }

  /// Opens and surveys the layers, as the probe does.
  @discardableResult
  func survey(
    _ name: String, layers: [String] = [], options: VectorReadOptions = VectorReadOptions()
  ) throws -> (layers: [LayerSurvey], warnings: WarningTally) {
    var warnings = WarningTally()
    let dataset = try open(name, options: options)
    let surveys = try dataset.layers(named: layers).map { try $0.survey(warnings: &warnings) { _ in } }
    return (surveys, warnings)
  }

  /// Surveys and loads the only layer into memory; of several families the one that is named, else the first.
  func load(
    _ name: String, options: VectorReadOptions = VectorReadOptions(), nulls: LoadPlan.NullGeometries = .drop,
    maximumRejects: Int64 = 0, family: GeometryFamily? = nil
  ) throws -> Loaded {
    var warnings = WarningTally()
    let dataset = try open(name, options: options)
    let layer = try dataset.layers(named: [])[0]
    let survey = try layer.survey(warnings: &warnings) { _ in }
    let loader = try VectorLoader(
      layer,
      plan: LoadPlan(
        family: family ?? survey.families[0], families: survey.families, crs: survey.crs, crsOrigin: survey.crsOrigin,
        recognisedTypes: Dictionary(uniqueKeysWithValues: survey.columns.map { ($0.name, $0.kind.sqlType) }),
        nullGeometries: nulls, maximumRejects: maximumRejects))
    let sink = MemorySink()
    let result = try loader.run(into: sink, warnings: &warnings) { _, _ in }
    return Loaded(
      survey: survey, result: result, warnings: warnings, rows: try CopyRows.decode(sink.bytes, columns: loader.columns)
    )
  }
}

struct Loaded {
  var survey: LayerSurvey
  var result: LoadResult
  var warnings: WarningTally
  var rows: [CopyRows.Row]
}

final class MemorySink: RowSink {
  private(set) var bytes: [UInt8] = []
  func write(_ bytes: UnsafeRawBufferPointer) throws { self.bytes.append(contentsOf: bytes) }
}

/// Reads COPY BINARY the way PostgreSQL does, written apart from the encoder.
enum CopyRows {
  struct Row {
    var fid: Int64
    var values: [String: [UInt8]]
    /// Parts of the multi-geometry, each its rings of x, y pairs; nil for NULL.
    var geometry: [[[Double]]]?
    var ewkb: [UInt8]?

    func text(_ column: String) -> String? { values[column].map { String(decoding: $0, as: UTF8.self) } }
    func integer(_ column: String) -> Int64? { values[column].map { $0.reduce(0) { $0 << 8 | Int64($1) } } }
    func double(_ column: String) -> Double? {
      values[column].map { Double(bitPattern: $0.reduce(0) { $0 << 8 | UInt64($1) }) }
    }
  }

  struct Malformed: Error { var at: Int }

  static func decode(_ bytes: [UInt8], columns: [Column]) throws -> [Row] {
    var at = 0
    func take(_ n: Int) throws -> [UInt8] {
      guard n >= 0, at + n <= bytes.count else { throw Malformed(at: at) }
      defer { at += n }
      return Array(bytes[at..<(at + n)])
    }
    func integer(_ n: Int) throws -> Int { try take(n).reduce(0) { $0 << 8 | Int($1) } }
    guard try take(19) == Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0] + [UInt8](repeating: 0, count: 8) else {
      throw Malformed(at: 0)
    }
    var rows: [Row] = []
    while true {
      let fields = try integer(2)
      if fields == 0xFFFF { break }
      guard fields == columns.count + 2 else { throw Malformed(at: at) }
      func field() throws -> [UInt8]? {
        let length = try integer(4)
        return length == 0xFFFF_FFFF ? nil : try take(length)
      }
      guard let fid = try field(), fid.count == 8 else { throw Malformed(at: at) }
      var row = Row(fid: fid.reduce(0) { $0 << 8 | Int64($1) }, values: [:], geometry: nil, ewkb: nil)
      for column in columns { row.values[column.name] = try field() }
      row.ewkb = try field()
      row.geometry = try row.ewkb.map(geometry)
      rows.append(row)
    }
    guard at == bytes.count else { throw Malformed(at: at) }
    return rows
  }

  private static func geometry(_ ewkb: [UInt8]) throws -> [[[Double]]] {
    guard ewkb.count >= 13, ewkb[0] == 1, ewkb.little32(1) & 0x2000_0000 != 0, ewkb.little32(5) == 4326,
      let family = GeometryFamily(plain: UInt32(ewkb.little32(1) & 0xFF))
    else { throw Malformed(at: 0) }
    let parts = Array(ewkb[13...])
    guard
      let rings = parts.withUnsafeBytes({ WKB.rings(of: $0, count: ewkb.little32(9), family: family) })
    else { throw Malformed(at: 13) }
    return rings
  }
}

/// GeoJSON out of WKT-free pieces: features with a geometry (or null) and properties.
enum GeoJSON {
  static func collection(_ features: [(geometry: String, properties: String)], extra: String = "") -> String {
    let list = features.map {
      "{\"type\":\"Feature\",\"properties\":\($0.properties),\"geometry\":\($0.geometry)}"
    }
    return "{\"type\":\"FeatureCollection\",\(extra)\"features\":[\(list.joined(separator: ",\n"))]}"
  }

  static func point(_ x: Double, _ y: Double) -> String { "{\"type\":\"Point\",\"coordinates\":[\(x),\(y)]}" }

  static func polygon(_ rings: [[(Double, Double)]]) -> String {
    let text = rings.map { "[" + $0.map { "[\($0.0),\($0.1)]" }.joined(separator: ",") + "]" }.joined(separator: ",")
    return "{\"type\":\"Polygon\",\"coordinates\":[\(text)]}"
  }

  static func line(_ points: [(Double, Double)]) -> String {
    "{\"type\":\"LineString\",\"coordinates\":[\(points.map { "[\($0.0),\($0.1)]" }.joined(separator: ","))]}"
  }

  /// `count` points with a number and a name each.
  static func points(_ count: Int) -> String {
    collection((0..<count).map { (point(Double($0) / 100, 50), "{\"n\":\($0),\"name\":\"point \($0)\"}") })
  }
}

/// The reason `body` fails with.
func reason(_ body: () throws -> Void) -> GeospatialError.Code? {
  do {
    try body()
    return nil
  } catch { return (error as? GeospatialError)?.code }
}
