import Foundation
import Testing

@testable import Geospatial

@Suite("Geometry") struct GeometryTests {
  private typealias Ring = [(Double, Double)]

  private func ringIsSurelySimple(_ ring: [(Double, Double)]) -> Bool {
    var test = SimpleRing()
    let flat = ring.flatMap { [$0.0, $0.1] }
    return flat.withUnsafeBufferPointer { test.isSurelySimple($0.baseAddress!, count: ring.count) }
  }

  private func isValid(_ geos: GEOSContext, _ ring: [(Double, Double)]) -> Bool {
    let wkb = WKB.single(.polygons, rings: [ring.flatMap { [$0.0, $0.1] }])
    return geos.read(wkb).map { geos.isValid($0) } ?? false
  }

  @Test("plain rings are proven simple without GEOS")
  func proven() {
    #expect(ringIsSurelySimple([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]))
    #expect(ringIsSurelySimple([(0, 0), (1, 0), (2, 0), (2, 2), (0, 0)]), "a point on a straight edge")
    let circle = (0...200).map { i in
      let a = Double(i % 200) / 200 * 2 * Double.pi
      return (cos(a), sin(a))
    }
    #expect(ringIsSurelySimple(circle))
  }

  @Test(
    "rings that are not simple are never called so",
    arguments: [
      [(0.0, 0.0), (1, 1), (1, 0), (0, 1), (0, 0)],  // bow tie
      [(0, 0), (1, 0), (2, 0), (0, 0)],  // flat
      [(0, 0), (2, 0), (2, 2), (2, 0), (0, 0)],  // spike
      [(0, 0), (4, 0), (4, 4), (2, 0), (0, 4), (0, 0)],  // touches itself
      [(0, 0), (1, 0), (1, 1), (0, 0.5)],  // not closed
      [(0, 0), (0, 0), (0, 0), (0, 0)],
    ])
  func notProven(ring: [(Double, Double)]) {
    #expect(!ringIsSurelySimple(ring))
  }

  @Test("the quick proof agrees with GEOS on random rings: whatever it proves is valid")
  func agreesWithGEOS() throws {
    let geos = try GEOSContext()
    var random = SystemRandomNumberGenerator()
    var proven = 0
    for round in 0..<4_000 {
      // Few distinct coordinates make touching and collinear cases likely; star shapes make valid ones.
      let count = Int.random(in: 3...60, using: &random)
      var ring: [(Double, Double)]
      if round % 2 == 0 {
        ring = (0..<count).map { _ in
          (Double(Int.random(in: 0...6, using: &random)), Double(Int.random(in: 0...6, using: &random)))
        }
      } else {
        ring = (0..<count).map { i in
          let a = Double(i) / Double(count) * 2 * Double.pi
          let r = Double.random(in: 0.2...1, using: &random)
          return (r * cos(a), r * sin(a))
        }
        if round % 4 == 1 { ring.swapAt(0, count / 2) }
      }
      ring.append(ring[0])
      guard ringIsSurelySimple(ring) else { continue }
      proven += 1
      #expect(isValid(geos, ring), "\(ring)")
    }
    #expect(proven > 500, "the proof must prove something")
  }

  @Test("invalid areas are repaired and counted, their area kept")
  func repair() throws {
    let folder = try Folder()
    try folder.write(
      "p.geojson",
      GeoJSON.collection([
        (GeoJSON.polygon([[(0, 0), (2, 2), (2, 0), (0, 2), (0, 0)]]), "{\"n\":1}"),
        (GeoJSON.polygon([[(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]]), "{\"n\":2}"),
        (
          GeoJSON.polygon([[(0, 0), (3, 0), (3, 3), (0, 3), (0, 0)], [(1, 1), (2, 1), (2, 2), (1, 2), (1, 1)]]),
          "{\"n\":3}"
        ),
        (GeoJSON.polygon([[(5, 5), (6, 6), (7, 7), (5, 5)]]), "{\"n\":4}"),
      ]))
    let loaded = try folder.load("p.geojson")
    #expect(loaded.result.repaired == 1)
    #expect(loaded.warnings.count(.geometryRepaired) == 1)
    #expect(loaded.result.dropped == [.geometryCollapsed: 1], "a flat area has nothing left")
    #expect(loaded.rows.count == 3)
    #expect(loaded.rows[0].geometry?.count == 2, "a bow tie becomes two triangles")
    #expect(loaded.rows[2].geometry?.first?.count == 2, "a hole stays a hole")
    #expect(loaded.result.box.array == [0, 0, 3, 3])
  }

  @Test("an area across the antimeridian is split in two parts that keep their side")
  func antimeridian() throws {
    let folder = try Folder()
    try folder.write(
      "p.geojson",
      GeoJSON.collection([
        (GeoJSON.polygon([[(178, -20), (-178, -20), (-178, -10), (178, -10), (178, -20)]]), "{}"),
        (GeoJSON.polygon([[(170, 0), (190, 0), (190, 10), (170, 10), (170, 0)]]), "{}"),
        (GeoJSON.polygon([[(-180, -90), (180, -90), (180, -60), (-180, -60), (-180, -90)]]), "{}"),
        (GeoJSON.polygon([[(-170, 0), (170, 0), (170, 5), (-170, 5), (-170, 0)]]), "{}"),
      ]))
    let loaded = try folder.load("p.geojson")
    #expect(loaded.result.split == 2)
    for row in loaded.rows.prefix(2) {
      let parts = try #require(row.geometry)
      #expect(parts.count == 2)
      for part in parts {
        let longitudes = stride(from: 0, to: part[0].count, by: 2).map { part[0][$0] }
        #expect(longitudes.allSatisfy { $0 >= 170 && $0 <= 180 } || longitudes.allSatisfy { $0 <= -170 && $0 >= -180 })
      }
    }
    #expect(loaded.rows[2].geometry?.count == 1, "the edge of the map is no crossing")
    #expect(loaded.rows[3].geometry?.count == 1, "a wide box is a wide box")
  }

  @Test("a cap around the pole is closed along the pole")
  func polarCap() throws {
    let folder = try Folder()
    var ring: [(Double, Double)] = stride(from: -177.5, to: 180, by: 5).map { ($0, 70) }
    ring.append(ring[0])
    try folder.write("cap.geojson", GeoJSON.collection([(GeoJSON.polygon([ring]), "{}")]))
    let loaded = try folder.load("cap.geojson")
    #expect(loaded.result.box.array == [-180, 70, 180, 90])
    #expect(loaded.result.split == 1)
    let geos = try GEOSContext()
    let parts = try #require(loaded.rows[0].geometry).map { WKB.single(.polygons, rings: $0) }
    let whole = try #require(geos.read(WKB.multi(.polygons, parts: parts)))
    #expect(geos.isValid(whole))
  }

  @Test("lines and points across the antimeridian")
  func linesAndPoints() throws {
    let folder = try Folder()
    try folder.write(
      "l.geojson",
      GeoJSON.collection([(GeoJSON.line([(179, 0), (-179, 2)]), "{}"), (GeoJSON.line([(0, 0), (1, 1)]), "{}")]))
    let lines = try folder.load("l.geojson")
    #expect(lines.rows[0].geometry?.count == 2)
    #expect(lines.rows[1].geometry?.count == 1)
    try folder.write("p.geojson", GeoJSON.collection([(GeoJSON.point(190, 5), "{}")]))
    #expect(try folder.load("p.geojson").rows[0].geometry == [[[-170, 5]]])
  }

  @Test("height is dropped with a warning")
  func flatten() throws {
    let folder = try Folder()
    try folder.write("p.geojson", GeoJSON.collection([("{\"type\":\"Point\",\"coordinates\":[1,2,3]}", "{}")]))
    let loaded = try folder.load("p.geojson")
    #expect(loaded.rows[0].geometry == [[[1, 2]]])
    #expect(loaded.warnings.count(.dimensionsDropped) == 1)
  }

  @Test("coordinates off the globe fail the layer, or are counted where rejects are allowed")
  func offTheGlobe() throws {
    let folder = try Folder()
    try folder.write("p.geojson", GeoJSON.collection([(GeoJSON.point(0, 95), "{}"), (GeoJSON.point(1, 5), "{}")]))
    #expect(reason { _ = try folder.load("p.geojson") } == .coordinatesOutOfRange)
    let loaded = try folder.load("p.geojson", maximumRejects: 1)
    #expect(loaded.result.rejected == 1)
    #expect(loaded.rows.count == 1)
    #expect(loaded.result.read == loaded.result.stored + loaded.result.rejected)
  }

  @Test("null geometries are dropped, kept or refused as asked")
  func nulls() throws {
    let folder = try Folder()
    try folder.write("p.geojson", GeoJSON.collection([("null", "{\"n\":1}"), (GeoJSON.point(1, 5), "{\"n\":2}")]))
    let dropped = try folder.load("p.geojson")
    #expect(dropped.rows.map { $0.integer("n") } == [2])
    #expect(dropped.result.dropped == [.nullGeometry: 1])
    let kept = try folder.load("p.geojson", nulls: .keep)
    #expect(kept.rows.count == 2 && kept.rows[0].geometry == nil && kept.result.withGeometry == 1)
    #expect(reason { _ = try folder.load("p.geojson", nulls: .fail) } == .nullGeometryRefused)
  }

  @Test("a layer of several families is a table each, every feature in the one it belongs to")
  func families() throws {
    let folder = try Folder()
    let both =
      "{\"type\":\"GeometryCollection\",\"geometries\":[\(GeoJSON.point(5, 5)),\(GeoJSON.line([(5, 5), (6, 6)]))]}"
    let square = GeoJSON.polygon([[(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]])
    try folder.write(
      "mixed.geojson",
      GeoJSON.collection([
        (square, "{\"n\":1}"), (GeoJSON.point(0, 0), "{\"n\":2}"), ("null", "{\"n\":3}"), (both, "{\"n\":4}"),
        (GeoJSON.line([(0, 0), (1, 1)]), "{\"n\":5}"),
        ("{\"type\":\"GeometryCollection\",\"geometries\":[]}", "{\"n\":6}"),
        ("{\"type\":\"LineString\",\"coordinates\":[]}", "{\"n\":7}"),
      ]))
    #expect(try folder.survey("mixed.geojson").layers[0].families == [.points, .lines, .polygons])
    let points = try folder.load("mixed.geojson", family: .points)
    let lines = try folder.load("mixed.geojson", family: .lines)
    let polygons = try folder.load("mixed.geojson", family: .polygons)
    #expect(points.rows.map { $0.integer("n") } == [2, 4])
    #expect(lines.rows.map { $0.integer("n") } == [4, 5])
    #expect(polygons.rows.map { $0.integer("n") } == [1])
    #expect(lines.rows[0].geometry == [[[5, 5, 6, 6]]])
    #expect(points.result.dropped == [.nullGeometry: 1, .emptyGeometry: 1], "what has no family is the first one's")
    #expect(lines.result.dropped == [.emptyGeometry: 1])
    #expect(polygons.result.dropped.isEmpty)
    #expect([points, lines, polygons].map(\.result.guests) == [0, 1, 0])
    #expect([points, lines, polygons].map(\.result.elsewhere) == [3, 4, 6])
    #expect(points.warnings.count(.geometryTakenApart) == 1 && lines.warnings.count(.geometryTakenApart) == 1)
    for one in [points, lines, polygons] {
      let dropped = one.result.dropped.values.reduce(0, +)
      #expect(one.result.read == 7 && 7 == one.result.elsewhere + one.result.stored + dropped)
    }
  }

  @Test("rows of a table that have no geometry to be placed by are told once")
  func rejectedOnce() throws {
    let folder = try Folder()
    try folder.write("m.csv", "id,wkt\n1,POINT (1 1)\n2,POINT (broken\n3,\"LINESTRING (0 0,1 1)\"\n")
    #expect(reason { _ = try folder.load("m.csv") } == .coordinatesInvalid)
    let points = try folder.load("m.csv", maximumRejects: 1, family: .points)
    let lines = try folder.load("m.csv", family: .lines)
    #expect(points.result.rejected == 1 && points.rows.count == 1)
    #expect(lines.result.rejected == 0 && lines.rows.count == 1 && lines.result.elsewhere == 2)
  }

  @Test("curves are drawn as lines, with a warning")
  func curves() throws {
    let folder = try Folder()
    try folder.write(
      "curves.csv",
      "id,wkt\n1,\"CIRCULARSTRING (0 0,1 1,2 0)\"\n2,\"COMPOUNDCURVE ((4 0,5 0),CIRCULARSTRING (5 0,6 1,7 0))\"\n")
    let lines = try folder.load("curves.csv")
    #expect(lines.rows.count == 2 && lines.warnings.count(.curvesLinearized) == 2)
    let arc = try #require(lines.rows[0].geometry?.first?.first)
    #expect(arc.count > 20, "many points along the arc")
    for at in stride(from: 0, to: arc.count, by: 2) {
      #expect(abs(hypot(arc[at] - 1, arc[at + 1]) - 1) < 1e-9, "each on the circle")
    }
    try folder.write("curves2.csv", "id,WKT\n1,\"CURVEPOLYGON (CIRCULARSTRING (0 0,2 2,4 0,2 -2,0 0))\"\n")
    try folder.convert(
      "curves2.csv", to: "curves.gpkg", format: "GPKG", ["-nlt", "CURVEPOLYGON", "-a_srs", "EPSG:4326"])
    let areas = try folder.load("curves.gpkg")
    #expect(areas.survey.families == [.polygons] && areas.warnings.count(.curvesLinearized) == 1)
    // An arc is drawn through points every 4 degrees; its northernmost point is none of them.
    #expect(areas.result.box.array.map { $0.map { ($0 * 100).rounded() / 100 } } == [0, -2, 4, 2])
  }

  @Test("surfaces become their faces, collections of one family a multi-geometry")
  func surfaces() throws {
    let folder = try Folder()
    try folder.write(
      "s.csv",
      "id,wkt\n1,\"TIN Z (((0 0 1,1 0 1,1 1 1,0 0 1)),((0 0 1,1 1 1,0 1 1,0 0 1)))\"\n2,\"TRIANGLE ((5 5,6 5,6 6,5 5))\"\n"
        + "3,\"GEOMETRYCOLLECTION (POLYGON ((8 8,9 8,9 9,8 8)),POLYGON ((1 8,2 8,2 9,1 8)))\"\n")
    let loaded = try folder.load("s.csv")
    #expect(loaded.survey.families == [.polygons])
    #expect(loaded.warnings.count(.geometryTakenApart) == 3)
    #expect(loaded.rows.map { $0.geometry?.count }.suffix(2) == [1, 2])
    #expect(loaded.result.box.array == [0, 0, 9, 9])
  }

  @Test("layers without anything to serve are refused by name")
  func refusedLayers() throws {
    let folder = try Folder()
    try folder.write("p.geojson", GeoJSON.points(2))
    try folder.convert("p.geojson", to: "lies.gpkg", format: "GPKG", ["-nlt", "MULTIPOLYGON"])
    #expect(reason { _ = try folder.load("lies.gpkg") } == .mixedGeometry)
    try folder.write("none.geojson", GeoJSON.collection([]))
    let code = reason { try folder.survey("none.geojson") }
    #expect(code == .noFeatures)
    try folder.write("nulls.geojson", GeoJSON.collection([("null", "{\"n\":1}")]))
    #expect(reason { try folder.survey("nulls.geojson") } == .noGeometry)
  }

  @Test("all layers are meant where none is named, and a name must exist")
  func layers() throws {
    let folder = try Folder()
    try folder.write("p.geojson", GeoJSON.points(2))
    try folder.convert("p.geojson", to: "p.gpkg", format: "GPKG", ["-nln", "one"])
    try folder.convert("p.geojson", to: "p.gpkg", format: "GPKG", ["-nln", "two", "-update"])
    #expect(try folder.survey("p.gpkg").layers.map(\.name) == ["one", "two"])
    #expect(reason { try folder.survey("p.gpkg", layers: ["three"]) } == .layerNotFound)
    #expect(try folder.survey("p.gpkg", layers: ["two"]).layers.map(\.featureCount) == [2])
  }
}

@Suite("Reference systems") struct ReferenceTests {
  @Test("projected coordinates arrive in longitude, latitude")
  func projected() throws {
    let folder = try Folder()
    try folder.write("p.geojson", GeoJSON.collection([(GeoJSON.point(9.5, 51.25), "{}")]))
    for (name, format) in [("p.gpkg", "GPKG"), ("p.shp", "ESRI Shapefile")] {
      try folder.convert("p.geojson", to: name, format: format, ["-t_srs", "EPSG:25832", "-nln", "p"])
      let loaded = try folder.load(name)
      let point = try #require(loaded.rows[0].geometry?[0][0])
      #expect(abs(point[0] - 9.5) < 1e-7 && abs(point[1] - 51.25) < 1e-7)
      #expect(loaded.survey.crs == "EPSG:25832")
    }
  }

  @Test("no reference system: refused; given in the request: taken; another than the source's: conflict")
  func missingAndConflict() throws {
    let folder = try Folder()
    try folder.write("p.geojson", GeoJSON.points(2))
    try folder.convert("p.geojson", to: "p.shp", format: "ESRI Shapefile")
    let same = try folder.survey("p.shp", options: VectorReadOptions(crs: "EPSG:4326"))
    #expect(same.layers[0].crsOrigin == .source)
    #expect(reason { try folder.survey("p.shp", options: VectorReadOptions(crs: "EPSG:3857")) } == .crsConflict)
    try FileManager.default.removeItem(atPath: folder.path + "/p.prj")
    #expect(reason { try folder.survey("p.shp") } == .crsMissing)
    let given = try folder.load("p.shp", options: VectorReadOptions(crs: "EPSG:4326"))
    #expect(given.rows.count == 2)
    #expect(given.warnings.count(.crsFromRequest) == 1)
  }

  @Test(
    "names of files, URLs and nonsense are no reference system",
    arguments: ["/etc/passwd", "http://127.0.0.1/crs", "EPSG:999999", "EPSG:4326; DROP", "+proj=longlat", "", "WGS84"])
  func invalid(text: String) throws {
    _ = try Folder()
    #expect(reason { _ = try CoordinateReference(request: text) } == .crsInvalid)
  }
}
