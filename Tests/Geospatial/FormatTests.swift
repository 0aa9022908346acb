import Foundation
import Testing

@testable import Geospatial

/// Formats beyond the first four: what their readers get right, and what they would lose in silence.
@Suite("Formats") struct FormatTests {
  private static let written: [(name: String, format: String)] = [
    ("p.gpkg", "GPKG"), ("p.fgb", "FlatGeobuf"), ("p.geojsonl", "GeoJSONSeq"), ("p.ndjson", "GeoJSONSeq"),
    ("p.kml", "LIBKML"), ("p.kmz", "LIBKML"), ("p.shp", "ESRI Shapefile"),
  ]

  @Test("each format gives the same points and texts", arguments: Self.written.map(\.name))
  func same(name: String) throws {
    let folder = try Folder()
    try folder.write(
      "p.geojson",
      GeoJSON.collection(
        (0..<5).map { n in (GeoJSON.point(Double(n) + 0.125, 50 - Double(n)), "{\"n\":\(n),\"name\":\"Zürich \(n)\"}") }
      ))
    let format = try #require(Self.written.first { $0.name == name }?.format)
    try folder.convert("p.geojson", to: name, format: format)
    try compare(try folder.load(name), name)
  }

  @Test("a zipped File Geodatabase gives the same points and texts")
  func geodatabase() throws {
    let folder = try Folder()
    try folder.write(
      "p.geojson",
      GeoJSON.collection(
        (0..<5).map { n in (GeoJSON.point(Double(n) + 0.125, 50 - Double(n)), "{\"n\":\(n),\"name\":\"Zürich \(n)\"}") }
      ))
    try folder.convert("p.geojson", to: "p.gdb", format: "OpenFileGDB")
    try folder.run("python3", ["-m", "zipfile", "-c", "p.gdb.zip", "p.gdb"])
    try folder.run("python3", ["-m", "zipfile", "-c", "p.zip", "p.gdb"])
    for name in ["p.gdb.zip", "p.zip"] { try compare(try folder.load(name), name) }
    try FileManager.default.removeItem(atPath: folder.path + "/p.gdb/a00000001.gdbtable")
    try folder.run("python3", ["-m", "zipfile", "-c", "half.gdb.zip", "p.gdb"])
    #expect(reason { try folder.survey("half.gdb.zip") } == .sourceIncomplete)
  }

  private func compare(_ loaded: Loaded, _ name: String) throws {
    #expect(loaded.rows.count == 5, "\(name)")
    for n in 0..<5 {
      // FlatGeobuf orders its features by place.
      let row = try #require(
        loaded.rows.first { $0.values.values.contains(Array("Zürich \(n)".utf8)) }, "\(name): \(n) of \(loaded.rows)")
      let point = try #require(row.geometry?[0][0], "\(name)")
      #expect(abs(point[0] - (Double(n) + 0.125)) < 1e-9 && abs(point[1] - (50 - Double(n))) < 1e-9, "\(name)")
    }
  }

  @Test("a cut or damaged text sequence is not half a source")
  func sequence() throws {
    let folder = try Folder()
    let records = (0..<50).map {
      "{\"type\":\"Feature\",\"properties\":{\"n\":\($0)},\"geometry\":\(GeoJSON.point(1, 2))}"
    }
    try folder.write("whole.geojsonl", records.joined(separator: "\n") + "\n\n")
    #expect(try folder.survey("whole.geojsonl").layers.map(\.featureCount) == [50])
    try folder.write("rs.geojsons", records.map { "\u{1E}\($0)\n" }.joined())
    #expect(try folder.survey("rs.geojsons").layers.map(\.featureCount) == [50])
    try folder.write(
      "pretty.geojsons", "\u{1E}{\"type\":\"Feature\",\n\"properties\":{},\n\"geometry\":\(GeoJSON.point(1, 2))\n}\n")
    #expect(try folder.survey("pretty.geojsons").layers.map(\.featureCount) == [1])
    try folder.write("bom.geojsonl", "\u{FEFF}" + records.joined(separator: "\r\n"))
    #expect(reason { try folder.survey("bom.geojsonl") } == .sourceCorrupt)
    try folder.write("crlf.geojsonl", records.joined(separator: "\r\n"))
    #expect(try folder.survey("crlf.geojsonl").layers.map(\.featureCount) == [50])

    try folder.write("cut.geojsonl", String(records.joined(separator: "\n").dropLast(20)))
    let cut = #expect(throws: GeospatialError.self) { try folder.survey("cut.geojsonl") }
    #expect(cut?.code == .sourceTruncated)
    #expect(cut?.feature == 50)
    // Every place where a file may be cut.
    let three = records.prefix(3).joined(separator: "\n")
    for length in 1..<three.utf8.count {
      try folder.write("cut.geojsonl", String(decoding: three.utf8.prefix(length), as: UTF8.self))
      let whole = three.utf8.prefix(length).last == UInt8(ascii: "\n") || length == 0
      let code = reason { try folder.survey("cut.geojsonl") }
      if whole {
        #expect(code == nil, "\(length)")
      } else {
        #expect(code != nil || three.utf8.prefix(length).last == UInt8(ascii: "}"), "\(length)")
      }
    }
    var broken = records
    broken[20] = "{\"type\":\"Feature\",\"properties\":{\"n\":}}"
    try folder.write("broken.geojsonl", broken.joined(separator: "\n"))
    #expect([.sourceCorrupt, .readError].contains(reason { try folder.survey("broken.geojsonl") }))
    broken[20] = "no json"
    try folder.write("text.geojsonl", broken.joined(separator: "\n"))
    let text = #expect(throws: GeospatialError.self) { try folder.survey("text.geojsonl") }
    #expect(text?.code == .sourceCorrupt)
    #expect(text?.feature == 21)
    // An object that is no feature is counted by the reader and not read: the counts differ, and the load fails of that.
    broken[20] = "{\"type\":\"Topology\"}"
    try folder.write("other.geojsonl", broken.joined(separator: "\n"))
    let other = try folder.load("other.geojsonl")
    #expect(other.result.read < other.survey.featureCount)
  }

  @Test("a cut FlatGeobuf is not half a source")
  func flatGeobuf() throws {
    let folder = try Folder()
    try folder.write("p.geojson", GeoJSON.points(500))
    try folder.convert("p.geojson", to: "p.fgb", format: "FlatGeobuf")
    try folder.convert("p.geojson", to: "bare.fgb", format: "FlatGeobuf", ["-lco", "SPATIAL_INDEX=NO"])
    for name in ["p.fgb", "bare.fgb"] {
      #expect(try folder.load(name).rows.count == 500)
      let whole = try folder.read(name)
      for length in Array(stride(from: 1, to: 200, by: 7)) + Array(stride(from: 201, to: whole.count, by: 1_013)) {
        try folder.write("cut.fgb", whole.prefix(length))
        let code = reason { try folder.survey("cut.fgb") }
        #expect([.sourceTruncated, .sourceCorrupt].contains(code), "\(name) cut to \(length) of \(whole.count)")
      }
      // No byte of the header, whatever it is, ends the program.
      for place in 0..<min(300, whole.count) {
        var damaged = whole
        damaged[place] ^= 0x55
        try folder.write("damaged.fgb", damaged)
        _ = reason { _ = try folder.load("damaged.fgb") }
      }
    }
    let whole = try folder.read("p.fgb")
    try folder.write("text.fgb", "fgb is not enough")
    #expect(reason { try folder.survey("text.fgb") } == .sourceCorrupt)
    var newer = whole
    newer[3] = 4
    try folder.write("newer.fgb", newer)
    #expect(reason { try folder.survey("newer.fgb") } == .formatUnsupported)
  }

  @Test("KML names no files and is whole")
  func kml() throws {
    let folder = try Folder()
    func document(_ inside: String, prolog: String = "") -> String {
      "<?xml version=\"1.0\"?>\(prolog)<kml xmlns=\"http://www.opengis.net/kml/2.2\"><Document>\(inside)</Document></kml>"
    }
    let place = "<Placemark><name>a</name><Point><coordinates>1,2</coordinates></Point></Placemark>"
    try folder.write("whole.kml", document(place))
    #expect(try folder.survey("whole.kml").layers.map(\.featureCount) == [1])
    try folder.write("cut.kml", String(document(place).dropLast(12)))
    #expect(reason { try folder.survey("cut.kml") } == .sourceTruncated)
    let entity = "<!DOCTYPE kml [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>"
    try folder.write("entity.kml", document(place.replacingOccurrences(of: ">a<", with: ">&x;<"), prolog: entity))
    #expect(reason { try folder.survey("entity.kml") } == .formatRefused)
    // Beyond what is looked at: the reader's own refusal.
    let blanks = String(repeating: " ", count: 8_192)
    try folder.write(
      "late.kml", document(place.replacingOccurrences(of: ">a<", with: ">&x;<"), prolog: blanks + entity))
    #expect(reason { try folder.survey("late.kml") } == .sourceCorrupt)
    try folder.write("text.kml", "no markup at all")
    #expect(reason { try folder.survey("text.kml") } == .sourceCorrupt)
    // A link to another document is not followed, and is no feature.
    try folder.write(
      "link.kml",
      document("<NetworkLink><Link><href>http://127.0.0.1:9/a.kml</href></Link></NetworkLink>" + place))
    #expect(try folder.survey("link.kml").layers.map(\.featureCount) == [1])
    try folder.write("note.txt", "nothing")
    try folder.run("python3", ["-m", "zipfile", "-c", "empty.kmz", "note.txt"])
    #expect(reason { try folder.survey("empty.kmz") } == .sourceCorrupt)
    // Folders are layers; two of one name could not be told apart.
    func layer(_ name: String) -> String { "<Folder><name>\(name)</name>\(place)</Folder>" }
    try folder.write("two.kml", document(layer("one") + layer("two")))
    #expect(try folder.survey("two.kml").layers.map(\.name) == ["one", "two"])
    try folder.write("twins.kml", document(layer("one") + layer("one")))
    let twins = try? folder.survey("twins.kml").layers
    #expect(twins == nil || Set(twins?.map(\.name) ?? []).count == 2)
  }

  @Test("a KML larger than can be read is refused by its size")
  func largeKML() throws {
    let folder = try Folder()
    let path = try folder.write("large.kml", "<?xml version=\"1.0\"?><kml>")
    // Sparse: takes no space.
    #expect(truncate(path, off_t(KMLFile.limit + 1)) == 0)
    #expect(reason { try folder.survey("large.kml") } == .sourceTooLarge)
  }

  @Test("an archive holds one dataset")
  func archives() throws {
    let folder = try Folder()
    try folder.write("p.geojson", GeoJSON.points(3))
    try folder.convert("p.geojson", to: "p.shp", format: "ESRI Shapefile")
    try folder.convert("p.geojson", to: "p.gdb", format: "OpenFileGDB")
    try folder.run("python3", ["-m", "zipfile", "-c", "both.zip", "p.gdb", "p.shp", "p.shx", "p.dbf", "p.prj"])
    #expect(reason { try folder.survey("both.zip") } == .archiveAmbiguous)
    try folder.run("python3", ["-m", "zipfile", "-c", "json.zip", "p.geojson"])
    #expect(reason { try folder.survey("json.zip") } == .formatUnsupported)
  }
}

@Suite("What files hold by our own count") struct FileCountTests {
  private func table(_ text: String, columns: Int, keep: Int = 5) throws -> CSVFile {
    let folder = try Folder()
    try folder.write("t.csv", text)
    return try CSVFile("\(folder.path)/t.csv", columns: columns, keep: keep) { _ in }
  }

  @Test("rows, quotes, empty lines and every end of line")
  func rows() throws {
    #expect(try table("a,b\n1,2\n\n3,4", columns: 2).rows == 2)
    #expect(try table("a,b\r\n1,2\r\n", columns: 2).rows == 1)
    #expect(try table("a,b\r1,2\r3,4\r", columns: 2).rows == 2)
    #expect(try table("a,b\n\"one\nline\",\"a \"\"b\"\"\"\n", columns: 2).rows == 1)
    #expect(try table("", columns: 1).rows == 0)
  }

  @Test("ragged rows by the delimiter that gives the reader's columns; empty values at the end are none")
  func ragged() throws {
    let file = try table("a;b\n1,5;2\n3\n4;5;6\n7;8;;\n\"9;9\";1\n", columns: 2)
    #expect(file.rows == 5 && file.raggedRows == 2)
    #expect(file.examples == [CSVFile.RaggedRow(row: 2, values: 1), CSVFile.RaggedRow(row: 3, values: 3)])
    let many = try table("a,b\n" + String(repeating: "1\n", count: 100), columns: 2)
    #expect(many.raggedRows == 100 && many.examples.count == 5)
  }

  @Test("pieces that are read one by one make one file")
  func pieces() throws {
    let row = "\"a value, quoted\",2\n"
    let count = 3 * (1 << 20) / row.utf8.count
    let file = try table("a,b\n" + String(repeating: row, count: count), columns: 2)
    #expect(file.rows == Int64(count) && file.raggedRows == 0)
  }

  @Test("a quote that stays open, and a zero byte, are told by row and byte")
  func damaged() {
    #expect(throws: GeospatialError.self) { try table("a,b\n1,2\n\"3,4\n5,6\n", columns: 2) }
    do {
      _ = try table("a,b\n1,2\n3\0,4\n", columns: 2)
      Issue.record("a zero byte is no text")
    } catch {
      let problem = error as? GeospatialError
      #expect(problem?.code == .sourceCorrupt && problem?.feature == 2 && problem?.byte == 9)
    }
  }

  @Test("a pattern is found where two pieces meet", arguments: [0, 1, 3, 5, 6])
  func acrossPieces(before: Int) throws {
    let folder = try Folder()
    let start = (1 << 20) - before
    try folder.write("f", String(repeating: "\\", count: start) + "\\u0000" + "u0000 \\u0000")
    #expect(FileBytes("\(folder.path)/f")?.occurrences(of: "\\u0000") == 2)
  }
}
