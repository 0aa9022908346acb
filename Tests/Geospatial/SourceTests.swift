import Foundation
import Testing

@testable import Geospatial

@Suite("Sources") struct SourceTests {
  @Test("an address is resolved only under the allowed roots")
  func roots() throws {
    let folder = try Folder()
    let other = try Folder()
    try folder.write("a b%.geojson", GeoJSON.points(1))
    #expect(
      try SourceAddress("file://\(folder.path)/a%20b%25.geojson", allowedRoots: [folder.path]).path.hasSuffix(
        "a b%.geojson"))
    #expect(
      reason { _ = try SourceAddress("file://\(folder.path)/a%20b%25.geojson", allowedRoots: [other.path]) }
        == .sourceOutsideRoots)
    #expect(
      reason { _ = try SourceAddress("file://\(folder.path)/a%20b%25.geojson", allowedRoots: []) }
        == .sourceOutsideRoots)
    let climbing = "file://\(other.path)/../\((folder.path as NSString).lastPathComponent)/a%20b%25.geojson"
    #expect(reason { _ = try SourceAddress(climbing, allowedRoots: [other.path]) } == .sourceOutsideRoots)
    // A root is a folder, not the beginning of a name.
    #expect(
      reason {
        _ = try SourceAddress("file://\(folder.path)/a%20b%25.geojson", allowedRoots: [String(folder.path.dropLast())])
      } == .sourceOutsideRoots)
  }

  @Test("a symbolic link that leads out of the roots is refused")
  func linkOut() throws {
    let folder = try Folder()
    let outside = try Folder()
    try outside.write("secret.geojson", GeoJSON.points(1))
    try FileManager.default.createSymbolicLink(
      atPath: folder.path + "/link.geojson", withDestinationPath: outside.path + "/secret.geojson")
    #expect(reason { _ = try folder.open("link.geojson") } == .sourceOutsideRoots)
    #expect(try folder.open("link.geojson", roots: [folder.path, outside.path]).layerNames.count == 1)
  }

  @Test("a sibling of a shapefile that is a link out of the roots is refused")
  func siblingLinkOut() throws {
    let folder = try Folder()
    let outside = try Folder()
    try folder.write("p.geojson", GeoJSON.points(3))
    try folder.convert("p.geojson", to: "p.shp", format: "ESRI Shapefile")
    try FileManager.default.moveItem(atPath: folder.path + "/p.dbf", toPath: outside.path + "/p.dbf")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path + "/p.dbf", withDestinationPath: outside.path + "/p.dbf")
    #expect(reason { _ = try folder.open("p.shp") } == .sourceOutsideRoots)
  }

  @Test(
    "addresses that are no file URL are refused",
    arguments: [
      ("https://example.org/a.geojson", GeospatialError.Code.sourceSchemeUnsupported),
      ("s3://bucket/a.gpkg", .sourceSchemeUnsupported), ("/etc/passwd", .sourceInvalid),
      ("file://host/etc/passwd", .sourceInvalid), ("file:///a%zz", .sourceInvalid), ("file:///a%00b", .sourceInvalid),
      ("file:///no/such/file.gpkg", .sourceNotFound), ("file:///vsicurl/http://127.0.0.1/a", .sourceNotFound),
    ])
  func refusedAddress(address: String, code: GeospatialError.Code) {
    #expect(reason { _ = try SourceAddress(address, allowedRoots: ["/"]) } == code)
  }

  @Test("files that are not what they are called")
  func impostors() throws {
    let folder = try Folder()
    try folder.write("empty.geojson", "")
    try folder.write("text.gpkg", "this is text")
    try folder.write("data.xyz", "1 2 3")
    try folder.write("list.geojson", "[1,2,3]")
    try folder.write("pointer.vrt", "<OGRVRTDataSource/>")
    try folder.write("hidden.geojson", "<OGRVRTDataSource><OGRVRTLayer name=\"a\"/></OGRVRTDataSource>")
    try folder.write("hidden.csv", "<OGRVRTDataSource><OGRVRTLayer name=\"a\"/></OGRVRTDataSource>")
    try folder.write("object.geojson", "{\"a\":1}")
    try FileManager.default.createDirectory(atPath: folder.path + "/dir.gpkg", withIntermediateDirectories: false)
    #expect(reason { _ = try folder.open("empty.geojson") } == .sourceEmpty)
    #expect(reason { _ = try folder.open("text.gpkg") } == .sourceCorrupt)
    #expect(reason { _ = try folder.open("data.xyz") } == .formatUnsupported)
    #expect(reason { _ = try folder.open("list.geojson") } == .sourceCorrupt)
    #expect(reason { _ = try folder.open("pointer.vrt") } == .formatRefused)
    #expect(reason { _ = try folder.open("hidden.geojson") } == .formatRefused)
    #expect(reason { _ = try folder.open("hidden.csv") } == .formatRefused)
    #expect(reason { _ = try folder.open("object.geojson") } == .sourceCorrupt)
    #expect(reason { _ = try folder.open("dir.gpkg") } == .formatUnsupported)
    #expect(reason { _ = try folder.open("missing.gpkg") } == .sourceNotFound)
  }

  @Test("files that were cut")
  func cut() throws {
    let folder = try Folder()
    let whole = GeoJSON.points(2_000)
    try folder.write("p.geojson", whole)
    try folder.write("cut.geojson", String(whole.prefix(whole.count / 2)))
    // Cut where the last byte happens to be a closing brace.
    let brace = whole[..<whole.index(whole.startIndex, offsetBy: whole.count / 2)].lastIndex(of: "}")!
    try folder.write("brace.geojson", String(whole[...brace]))
    try folder.convert("p.geojson", to: "p.gpkg", format: "GPKG")
    try folder.write("cut.gpkg", try folder.read("p.gpkg").prefix(40_000))
    try folder.convert("p.geojson", to: "p.shp", format: "ESRI Shapefile")
    for name in ["shx", "dbf", "prj"] { try folder.write("cut.\(name)", try folder.read("p.\(name)")) }
    try folder.write("cut.shp", try folder.read("p.shp").prefix(20_000))
    #expect(reason { _ = try folder.open("cut.geojson") } == .sourceTruncated)
    let code = reason { _ = try folder.open("brace.geojson") }
    #expect(code == .sourceTruncated || code == .sourceCorrupt)
    #expect(reason { _ = try folder.open("cut.gpkg") } == .sourceTruncated)
    #expect(reason { _ = try folder.open("cut.shp") } == .sourceTruncated)
  }

  @Test("a truncated .shp whose header was mended as well fails while it is read")
  func silentTruncation() throws {
    let folder = try Folder()
    try folder.write("p.geojson", GeoJSON.points(2_000))
    try folder.convert("p.geojson", to: "p.shp", format: "ESRI Shapefile")
    var cut = try folder.read("p.shp").prefix(20_000)
    withUnsafeBytes(of: UInt32(10_000).bigEndian) { cut.replaceSubrange(24..<28, with: $0) }
    try folder.write("p.shp", cut)
    #expect(reason { _ = try folder.load("p.shp") } == .readError)
  }

  @Test("a shapefile without its siblings is incomplete")
  func siblings() throws {
    let folder = try Folder()
    try folder.write("p.geojson", GeoJSON.points(3))
    try folder.convert("p.geojson", to: "p.shp", format: "ESRI Shapefile")
    try FileManager.default.removeItem(atPath: folder.path + "/p.dbf")
    #expect(reason { _ = try folder.open("p.shp") } == .sourceIncomplete)
  }

  @Test("a GeoPackage with damaged pages fails")
  func damagedGeoPackage() throws {
    let folder = try Folder()
    try folder.write("p.geojson", GeoJSON.points(5_000))
    try folder.convert("p.geojson", to: "p.gpkg", format: "GPKG", ["-nln", "p"])
    var bytes = try folder.read("p.gpkg")
    // The headers of all pages in the last two thirds: whatever tree they belong to is broken.
    for page in (bytes.count / 4_096 / 3)..<(bytes.count / 4_096) {
      for i in 0..<16 { bytes[page * 4_096 + i] ^= 0xFF }
    }
    try folder.write("p.gpkg", bytes)
    #expect(reason { _ = try folder.load("p.gpkg") } == .sourceCorrupt)
  }

  @Test("a GeoPackage another program is writing is left alone")
  func busyGeoPackage() throws {
    let folder = try Folder()
    try folder.write("p.geojson", GeoJSON.points(3))
    try folder.convert("p.geojson", to: "p.gpkg", format: "GPKG")
    try folder.write("p.gpkg-wal", "not empty")
    #expect(reason { _ = try folder.open("p.gpkg") } == .sourceInUse)
  }

  @Test("reading writes nothing beside the source")
  func readOnly() throws {
    let folder = try Folder()
    try folder.write("p.geojson", GeoJSON.points(3))
    try folder.convert("p.geojson", to: "p.gpkg", format: "GPKG")
    let before = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    _ = try folder.load("p.gpkg")
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == before)
  }

  @Test("a source that changes is noticed")
  func changed() throws {
    let folder = try Folder()
    try folder.write("p.geojson", GeoJSON.points(3))
    let dataset = try folder.open("p.geojson")
    try dataset.source.files.requireUnchanged()
    try folder.write("p.geojson", GeoJSON.points(4))
    #expect(reason { try dataset.source.files.requireUnchanged() } == .sourceChanged)
  }

  @Test("the digest is SHA-256 of the file")
  func digest() throws {
    let folder = try Folder()
    try folder.write("a.csv", "abc")
    let files = try SourceFiles(main: folder.path + "/a.csv", siblings: [])
    #expect(try files.sha256() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
  }
}

@Suite("Archives") struct ArchiveTests {
  private func shapefile(_ folder: Folder, _ count: Int = 3) throws {
    try folder.write("p.geojson", GeoJSON.points(count))
    try folder.convert("p.geojson", to: "p.shp", format: "ESRI Shapefile")
  }

  @Test("a zipped shapefile is read, in a folder of the archive too")
  func zipped() throws {
    let folder = try Folder()
    try shapefile(folder, 25)
    try FileManager.default.createDirectory(atPath: folder.path + "/in", withIntermediateDirectories: false)
    try folder.run("sh", ["-c", "mv p.shp p.shx p.dbf p.prj in/ && zip -q -r p.zip in"])
    let loaded = try folder.load("p.zip")
    #expect(loaded.rows.count == 25)
    #expect(loaded.survey.crs == "EPSG:4326")
    #expect(loaded.rows[7].text("name") == "point 7")
  }

  @Test("an archive with two shapefiles, none, or a part missing is refused")
  func ambiguous() throws {
    let folder = try Folder()
    try shapefile(folder)
    try folder.run(
      "sh",
      [
        "-c",
        "for s in shp shx dbf prj; do cp p.$s q.$s; done; zip -q two.zip p.* q.*; zip -q none.zip p.geojson; zip -q part.zip p.shp p.shx",
      ])
    #expect(reason { _ = try folder.open("two.zip") } == .archiveAmbiguous)
    #expect(reason { _ = try folder.open("none.zip") } == .formatUnsupported)
    #expect(reason { _ = try folder.open("part.zip") } == .sourceIncomplete)
  }

  @Test("entries that leave the archive, links, encryption and bombs are refused")
  func hostile() throws {
    let folder = try Folder()
    try shapefile(folder)
    let script = """
      import zipfile, stat
      def parts(z):
          for s in ("shp", "shx", "dbf", "prj"): z.write("p." + s)
      with zipfile.ZipFile("climb.zip", "w") as z:
          parts(z); z.writestr("../evil.txt", "x")
      with zipfile.ZipFile("absolute.zip", "w") as z:
          parts(z); z.writestr("/etc/evil", "x")
      with zipfile.ZipFile("link.zip", "w") as z:
          parts(z)
          i = zipfile.ZipInfo("p.cpg"); i.create_system = 3; i.external_attr = (stat.S_IFLNK | 0o777) << 16
          z.writestr(i, "/etc/passwd")
      with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as z:
          parts(z); z.writestr("big.bin", b"\\0" * (300 << 20))
      with zipfile.ZipFile("many.zip", "w") as z:
          parts(z)
          for i in range(5000): z.writestr("f%d" % i, "")
      with zipfile.ZipFile("twice.zip", "w") as z:
          parts(z); z.writestr("P.SHP", "x")
      """
    try folder.write("make.py", script)
    try folder.run("python3", ["make.py"])
    for name in ["climb", "absolute", "link", "bomb", "many", "twice"] {
      #expect(reason { _ = try folder.open("\(name).zip") } == .archiveRefused, "\(name)")
    }
    try folder.run("sh", ["-c", "zip -q -P secret locked.zip p.shp p.shx p.dbf"])
    #expect(reason { _ = try folder.open("locked.zip") } == .archiveRefused)
  }

  @Test("damaged archives are refused, whatever byte is damaged")
  func damaged() throws {
    let folder = try Folder()
    try shapefile(folder)
    try folder.run("zip", ["-q", "p.zip", "p.shp", "p.shx", "p.dbf", "p.prj"])
    let whole = try folder.read("p.zip")
    try folder.write("cut.zip", whole.prefix(whole.count / 2))
    #expect(reason { _ = try folder.open("cut.zip") } == .sourceTruncated)
    try folder.write("none.zip", Data("PK\u{5}\u{6}".utf8) + Data(count: 18))
    #expect(reason { _ = try folder.open("none.zip") } == .archiveAmbiguous)
    // The directory is ours to parse: no byte of it may make us crash.
    for at in (whole.count - 330)..<whole.count {
      var bytes = whole
      bytes[at] ^= 0xFF
      try folder.write("flip.zip", bytes)
      _ = reason { _ = try folder.open("flip.zip") }
    }
  }
}
