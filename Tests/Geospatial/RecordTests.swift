import Foundation
import Testing

@testable import Geospatial

@Suite("Records") struct RecordTests {
  @Test("column names are safe, unique and at most 63 bytes")
  func names() {
    let long = String(repeating: "ä", count: 40)
    let names = ColumnNames.sanitised([
      "Name", "name", "NAME", "fid", "geom", "select", "2nd place", "a-b.c", "", "  ", "xmin", "Straße", long, long,
      "name_1",
    ])
    #expect(
      Array(names.prefix(12)) == [
        "name", "name_1", "name_2", "fid_1", "geom_1", "select_1", "_2nd_place", "a_b_c", "field", "field_1",
        "xmin_1",
        "straße",
      ])
    #expect(names.allSatisfy { $0.utf8.count <= 63 })
    #expect(Set(names).count == names.count)
  }

  @Test("every type arrives as itself, from a GeoPackage")
  func types() throws {
    let folder = try Folder()
    try folder.write(
      "t.geojson",
      GeoJSON.collection([
        (
          GeoJSON.point(1, 2),
          "{\"i\":-7,\"big\":9007199254740993,\"r\":1.5,\"s\":\"Grüße\",\"b\":true,\"d\":\"2024-02-29\",\"t\":\"2024-02-29T12:30:15.250+02:00\",\"list\":[1,2,3],\"mixed\":1}"
        ), (GeoJSON.point(1, 2), "{\"i\":null,\"s\":\"\",\"mixed\":\"x\"}"),
      ]))
    let loaded = try folder.load("t.geojson")
    let kinds = Dictionary(uniqueKeysWithValues: loaded.survey.columns.map { ($0.name, $0.kind) })
    #expect(kinds["i"] == .int4 && kinds["big"] == .int8 && kinds["r"] == .float8 && kinds["s"] == .text)
    #expect(kinds["b"] == .bool && kinds["d"] == .date && kinds["t"] == .timestamptz && kinds["list"] == .int4Array)
    #expect(kinds["mixed"] == .text, "mixed JSON is text")
    let row = loaded.rows[0]
    #expect(row.values["i"] == [0xFF, 0xFF, 0xFF, 0xF9])
    #expect(row.integer("big") == 9_007_199_254_740_993)
    #expect(row.double("r") == 1.5)
    #expect(row.text("s") == "Grüße")
    #expect(row.values["b"] == [1])
    #expect(row.integer("d") == 8_825, "days from 2000-01-01 to 2024-02-29")
    let moment: Int64 = (8_825 * 86_400 + 10 * 3_600 + 30 * 60 + 15) * 1_000_000 + 250_000
    #expect(row.integer("t") == moment)
    #expect(row.values["list"]?.count == 20 + 3 * 8)
    #expect(loaded.rows[1].values["i"] == nil)
    #expect(loaded.rows[1].text("s") == "")
    #expect(loaded.rows[1].text("mixed") == "x")
  }

  @Test("dates PostgreSQL counts, and dates that do not exist")
  func moments() {
    func days(_ year: Int32, _ month: Int32, _ day: Int32) -> Int32? {
      Moment(year: year, month: month, day: day, hour: 0, minute: 0, second: 0, zone: 0)?.days
    }
    #expect(days(2000, 1, 1) == 0)
    #expect(days(1999, 12, 31) == -1)
    #expect(days(1970, 1, 1) == -10_957)
    #expect(days(1900, 2, 29) == nil)
    #expect(days(2000, 2, 29) == 59)
    #expect(days(0, 0, 0) == nil)
    #expect(days(2024, 13, 1) == nil)
    #expect(Moment(year: 2000, month: 1, day: 1, hour: 25, minute: 0, second: 0, zone: 0) == nil)
  }

  @Test("UTF-8 is checked as PostgreSQL does")
  func utf8() {
    func valid(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { UTF8Check.isValid($0) } }
    #expect(valid(Array("plain ascii text, quite long — and ünïcödé 🎈".utf8)))
    #expect(!valid([0xC0, 0x80]))
    #expect(!valid([0xED, 0xA0, 0x80]), "surrogate")
    #expect(!valid([0xF4, 0x90, 0x80, 0x80]), "beyond U+10FFFF")
    #expect(!valid(Array("abcdefgh".utf8) + [0xE4]), "cut")
    #expect(!valid([0xE4, 0x41, 0x41]))
  }

  @Test("CSV: coordinates, types and what stays text")
  func csv() throws {
    let folder = try Folder()
    try folder.write(
      "p.csv",
      "id,zip,lon,lat,score,note\n1,01067,13.7,51.0,1.5,a\n2,99999,9.9,53.5,,\"b,c\"\n3,00001,11.5,48.1,-2e3,\n")
    let loaded = try folder.load("p.csv")
    let kinds = Dictionary(uniqueKeysWithValues: loaded.survey.columns.map { ($0.name, $0.kind) })
    #expect(kinds["id"] == .int8 && kinds["zip"] == .text && kinds["score"] == .float8 && kinds["note"] == .text)
    #expect(loaded.rows.map { $0.text("zip") } == ["01067", "99999", "00001"])
    #expect(loaded.rows[0].geometry == [[[13.7, 51.0]]])
    #expect(loaded.rows.map { $0.double("score") } == [1.5, nil, -2_000])
    #expect(loaded.warnings.count(.crsAssumed) == 1)
  }

  @Test("CSV: WKT with and without SRID, and coordinates that need a reference system")
  func csvReference() throws {
    let folder = try Folder()
    try folder.write("w.csv", "id;wkt\n1;\"POLYGON ((0 0,1 0,1 1,0 0))\"\n")
    #expect(try folder.load("w.csv").rows[0].geometry == [[[0, 0, 1, 0, 1, 1, 0, 0]]])
    try folder.write("s.csv", "id,wkt\n1,\"SRID=25832;POINT (500000 5300000)\"\n")
    let withSRID = try folder.load("s.csv")
    #expect(abs((withSRID.rows[0].geometry?[0][0][0] ?? 0) - 9) < 1e-9)
    try folder.write("u.csv", "id,x,y\n1,500000,5300000\n")
    #expect(reason { try folder.survey("u.csv") } == .crsMissing)
    #expect(try folder.survey("u.csv", options: VectorReadOptions(crs: "EPSG:25832")).layers[0].crsOrigin == .request)
    try folder.write("c.csv", "id,wkt\n1,SRID=4326;POINT (1 2)\n2,SRID=3857;POINT (1 2)\n")
    #expect(reason { try folder.survey("c.csv") } == .crsConflict)
  }

  @Test("CSV: no coordinates, wrong coordinates, wrong names, wrong encoding")
  func csvRefused() throws {
    let folder = try Folder()
    try folder.write("n.csv", "id,name\n1,a\n")
    #expect(reason { try folder.survey("n.csv") } == .noGeometry)
    try folder.write("b.csv", "id,lon,lat\n1,east,51\n")
    #expect(reason { try folder.survey("b.csv") } == .coordinatesInvalid)
    try folder.write("g.csv", "id,wkt\n1,POINT (a b)\n")
    #expect(reason { try folder.survey("g.csv") } == .coordinatesInvalid)
    try folder.write("p.csv", "id,lon,lat\n1,1,2\n")
    #expect(
      reason { try folder.survey("p.csv", options: VectorReadOptions(longitudeColumn: "a", latitudeColumn: "lat")) }
        == .noGeometry)
    try folder.write("l.csv", Data("id,lon,lat,name\n1,1,2,M".utf8) + Data([0xFC]) + Data("nchen\n".utf8))
    #expect(reason { _ = try folder.load("l.csv") } == .encodingError)
    #expect(
      try folder.load("l.csv", options: VectorReadOptions(encoding: "ISO-8859-1")).rows[0].text("name") == "München")
    try folder.write("h.csv", "id,lon,lat\n")
    #expect(reason { try folder.survey("h.csv") } == .noFeatures)
  }

  @Test("feature ids are kept, and numbered where the source has none")
  func ids() throws {
    let folder = try Folder()
    try folder.write("p.geojson", GeoJSON.points(300))
    try folder.convert("p.geojson", to: "p.gpkg", format: "GPKG")
    #expect(try folder.load("p.gpkg").rows.map(\.fid) == (1...300).map { Int64($0) })
    try folder.convert("p.geojson", to: "p.shp", format: "ESRI Shapefile")
    #expect(try folder.load("p.shp").rows.map(\.fid) == (0..<300).map { Int64($0) })
  }

  @Test("progress is told, and stopping stops at once")
  func stopping() throws {
    struct Stop: Error {}
    let folder = try Folder()
    try folder.write("p.geojson", GeoJSON.points(5_000))
    let layer = try folder.open("p.geojson").layers(named: [])[0]
    let loader = try VectorLoader(layer, plan: LoadPlan(family: .points, crs: "EPSG:4326", crsOrigin: .source))
    var warnings = WarningTally()
    var last: Int64 = 0
    #expect(throws: Stop.self) {
      _ = try loader.run(into: MemorySink(), warnings: &warnings) { rows, _ in
        #expect(rows > last)
        last = rows
        if rows >= 1_000 { throw Stop() }
      }
    }
    #expect(last >= 1_000 && last < 1_600)
  }
}
