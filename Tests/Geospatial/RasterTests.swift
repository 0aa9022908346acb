import Foundation
import Testing

@testable import Geospatial

@Suite("Rasters") struct RasterTests {
  /// A GeoTIFF of one band in 10 m pixels, written by GDAL's own program.
  private func grid(
    _ folder: Folder, _ rows: [[Double]], type: String = "Float32", _ more: [String] = ["-a_srs", "EPSG:25832"]
  ) throws -> String {
    let lines = rows.map { $0.map { "\($0)" }.joined(separator: " ") }.joined(separator: "\n")
    try folder.write(
      "grid.asc",
      "ncols \(rows[0].count)\nnrows \(rows.count)\nxllcorner 500000\nyllcorner 5500000\ncellsize 10\n\(lines)\n")
    try folder.run("gdal_translate", ["-q", "-ot", type, "grid.asc", "grid.tif"] + more)
    return folder.path + "/grid.tif"
  }

  @Test("what the file says of itself") func described() throws {
    let folder = try Folder()
    let raster = try RasterDataset(
      path: grid(folder, [[1, 2, 3], [4, 5, -9]], ["-a_srs", "EPSG:25832", "-a_nodata", "-9"]))
    #expect(raster.width == 3 && raster.height == 2)
    #expect(raster.crs.label == "EPSG:25832")
    #expect(raster.bands.map(\.type) == [.float32] && raster.bands[0].nodata == -9)
    #expect(raster.transform.position(pixel: 0, line: 0) == (500_000, 5_500_020))
    #expect(raster.transform.pixelWidth == 10 && raster.transform.pixelHeight == 10 && !raster.transform.isRotated)
  }

  @Test("statistics are of every valid pixel, however the file is cut into blocks", arguments: ["tiles", "strips"])
  func statistics(layout: String) throws {
    let folder = try Folder()
    var rows: [[Double]] = []
    for y in 0..<300 {
      rows.append((0..<500).map { x in x == 7 ? -9_999 : Double((x * 31 + y * 17) % 1_000) + 100_000 })
    }
    let blocks = layout == "tiles" ? ["-co", "TILED=YES", "-co", "BLOCKXSIZE=64", "-co", "BLOCKYSIZE=64"] : []
    let path = try grid(
      folder, rows, ["-a_srs", "EPSG:25832", "-a_nodata", "-9999", "-co", "COMPRESS=DEFLATE"] + blocks)
    let survey = try #require(try RasterDataset(path: path).survey())
    let valid = rows.flatMap { $0 }.filter { $0 > 0 }
    let mean = valid.reduce(0, +) / Double(valid.count)
    let deviation = (valid.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(valid.count)).squareRoot()
    let found = survey.statistics[0]
    #expect(found.count == Int64(valid.count) && survey.emptyPixels == 300 && survey.pixels == 150_000)
    #expect(found.minimum == valid.min() && found.maximum == valid.max())
    #expect(abs(found.mean - mean) < 1e-6 && abs(found.standardDeviation - deviation) < 1e-6)
  }

  @Test("no number is not a value") func notANumber() throws {
    let folder = try Folder()
    try folder.run(
      "gdal_create",
      [
        "-q", "-of", "GTiff", "-ot", "Float32", "-outsize", "4", "4", "-burn", "nan", "-a_srs", "EPSG:4326", "-a_ullr",
        "0", "4", "4",
        "0", "n.tif",
      ])
    let survey = try #require(try RasterDataset(path: folder.path + "/n.tif").survey())
    #expect(survey.statistics[0].notANumber == 16 && survey.statistics[0].count == 0)
    #expect(survey.emptyPixels == 16 && survey.emptyShare == 1)
  }

  @Test("a file that is cut off inside is found by reading it") func cutOff() throws {
    let folder = try Folder()
    let rows = (0..<400).map { y in (0..<400).map { x in Double((x * 7_919 + y * 104_729) % 60_000) } }
    let path = try grid(folder, rows, type: "UInt16", ["-a_srs", "EPSG:25832", "-co", "TILED=YES"])
    let whole = try folder.read("grid.tif")
    try folder.write("cut.tif", whole.prefix(whole.count * 2 / 3))
    #expect(try RasterDataset(path: path).survey() != nil)
    let error = #expect(throws: GeospatialError.self) { try RasterDataset(path: folder.path + "/cut.tif").survey() }
    #expect([.sourceTruncated, .sourceCorrupt].contains(error?.code))
  }

  @Test("reading stops when it is told to") func stops() throws {
    let folder = try Folder()
    let rows = (0..<128).map { _ in [Double](repeating: 1, count: 128) }
    let path = try grid(
      folder, rows, ["-a_srs", "EPSG:25832", "-co", "TILED=YES", "-co", "BLOCKXSIZE=64", "-co", "BLOCKYSIZE=64"])
    var told: [Int64] = []
    let survey = try RasterDataset(path: path).survey { done, all in
      told.append(done)
      #expect(all == 16_384)
      return told.count < 2
    }
    #expect(survey == nil && told == [4_096, 8_192])
  }

  @Test("a reference system that is missing, given, the same, another") func references() throws {
    let folder = try Folder()
    let none = try grid(folder, [[1, 2], [3, 4]], [])
    #expect(throws: GeospatialError.self) { try RasterDataset(path: none) }
    #expect(try RasterDataset(path: none, requestedCRS: "EPSG:25832").crs.label == "EPSG:25832")
    let some = try grid(folder, [[1, 2], [3, 4]])
    #expect(try RasterDataset(path: some, requestedCRS: "EPSG:25832").crs.label == "EPSG:25832")
    let error = #expect(throws: GeospatialError.self) { try RasterDataset(path: some, requestedCRS: "EPSG:4326") }
    #expect(error?.code == .crsConflict)
  }

  @Test("a raster that does not say where it lies") func nowhere() throws {
    let folder = try Folder()
    try folder.run("gdal_create", ["-q", "-of", "GTiff", "-outsize", "4", "4", "-a_srs", "EPSG:4326", "plain.tif"])
    let plain = #expect(throws: GeospatialError.self) { try RasterDataset(path: folder.path + "/plain.tif") }
    #expect(plain?.code == .notGeoreferenced)
    try folder.run(
      "gdal_translate",
      [
        "-q", "-gcp", "0", "0", "8", "50", "-gcp", "4", "0", "9", "50", "-gcp", "0", "4", "8", "49", "plain.tif",
        "gcp.tif",
      ])
    let points = #expect(throws: GeospatialError.self) {
      try RasterDataset(path: folder.path + "/gcp.tif", requestedCRS: "EPSG:4326")
    }
    #expect(points?.code == .notGeoreferenced && points?.details["ground_control_points"] == "3")
  }

  @Test("kinds of rasters") func kinds() throws {
    func band(
      _ type: RasterDataset.PixelType, _ colour: RasterDataset.Colour = .gray, unit: String = "", classes: Bool = false
    ) -> RasterDataset.Band {
      RasterDataset.Band(
        type: type, colour: colour, unit: unit, description: "", hasClasses: classes, blockWidth: 1, blockHeight: 1)
    }
    let picture = [band(.uint8, .red), band(.uint8, .green), band(.uint8, .blue)]
    #expect(RasterKind(picture, distinctValues: nil) == .rgb)
    #expect(RasterKind(picture + [band(.uint8, .alpha)], distinctValues: nil) == .rgba)
    #expect(
      RasterKind([band(.uint16, .red), band(.uint16, .green), band(.uint16, .blue)], distinctValues: nil) == .continuous
    )
    #expect(RasterKind([band(.float32, unit: "m")], distinctValues: nil) == .elevation)
    #expect(RasterKind([band(.float32)], distinctValues: nil) == .continuous)
    #expect(RasterKind([band(.uint8, .palette, classes: true)], distinctValues: 200) == .categorical)
    #expect(RasterKind([band(.uint8)], distinctValues: 12) == .categorical)
    #expect(RasterKind([band(.uint8)], distinctValues: nil) == .continuous)
    #expect(RasterKind([band(.uint16), band(.uint8, .alpha)], distinctValues: nil) == .continuous)
  }

  @Test("a cloud-optimised copy: same values, overviews, nodata, by GDAL's own account", arguments: RasterKind.allCases)
  func cloudOptimised(kind: RasterKind) throws {
    let folder = try Folder()
    var bands: [String] = []
    for number in 0..<(kind == .rgba ? 4 : kind == .rgb ? 3 : 1) {
      let rows = (0..<700).map { y in
        (0..<900).map { x in
          kind == .categorical ? Double((x / 100 + y / 100) % 7) : Double((x + y * 2 + number * 40) / 12 % 250)
        }
      }
      let lines = rows.map { $0.map { "\(Int($0))" }.joined(separator: " ") }.joined(separator: "\n")
      try folder.write(
        "b\(number).asc", "ncols 900\nnrows 700\nxllcorner 500000\nyllcorner 5500000\ncellsize 10\n\(lines)\n")
      bands.append("b\(number).asc")
    }
    try folder.run("gdalbuildvrt", ["-q", "-separate", "all.vrt"] + bands)
    let type = kind == .elevation ? "Float32" : "Byte"
    var options = ["-q", "-ot", type, "-a_srs", "EPSG:25832"]
    if kind == .continuous { options += ["-a_nodata", "0"] }
    for (index, colour) in ["red", "green", "blue", "alpha"].prefix(bands.count).enumerated() where bands.count > 1 {
      options += ["-colorinterp_\(index + 1)", colour]
    }
    try folder.run("gdal_translate", options + ["all.vrt", "source.tif"])
    let source = try RasterDataset(path: folder.path + "/source.tif")
    let before = try #require(try source.survey())
    if kind == .rgb || kind == .rgba || kind == .categorical { #expect(before.kind == kind) }
    var shares: [Double] = []
    let copy = folder.path + "/copy.tif"
    let isWhole = try CloudOptimizedGeoTIFF(source, kind).write(source, to: copy) { share in
      shares.append(share)
      return true
    }
    #expect(isWhole && shares.last == 1 && zip(shares, shares.dropFirst()).allSatisfy { $0 <= $1 })
    let written = try RasterDataset(path: copy)
    #expect(written.bands.map(\.colour) == source.bands.map(\.colour))
    #expect(written.bands.map(\.nodata) == source.bands.map(\.nodata) && written.transform == source.transform)
    let after = try #require(try written.survey())
    let error: Double =
      kind == .rgb || kind == .rgba ? 2 : kind == .elevation ? CloudOptimizedGeoTIFF.heightError : 1e-9
    for (one, other) in zip(before.statistics, after.statistics) {
      #expect(one.count == other.count)
      #expect(abs(one.mean - other.mean) <= error && abs(one.standardDeviation - other.standardDeviation) <= error)
    }
    try folder.run("sh", ["-c", "gdalinfo -json copy.tif | grep -q '\"LAYOUT\":\"COG\"'"])
    try folder.run("sh", ["-c", "gdalinfo copy.tif | grep -q 'Overviews: 450x350'"])
  }

  @Test("writing stops when it is told to, and leaves nothing") func writingStops() throws {
    let folder = try Folder()
    let rows = (0..<1_500).map { y in (0..<1_500).map { x in Double((x * 7_919 + y * 104_729) % 60_000) } }
    let source = try RasterDataset(path: grid(folder, rows, type: "UInt16"))
    let copy = folder.path + "/copy.tif"
    let isWhole = try CloudOptimizedGeoTIFF(source, .continuous).write(source, to: copy) { $0 < 0.5 }
    #expect(!isWhole)
    let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
    #expect(!left.contains { $0.hasPrefix("copy") })
  }

  @Test("into another reference system, at a resolution of its own") func reprojected() throws {
    let folder = try Folder()
    let rows = (0..<200).map { y in (0..<200).map { x in Double(x + y) } }
    let source = try RasterDataset(path: grid(folder, rows))
    var form = CloudOptimizedGeoTIFF(source, .continuous)
    form.targetCRS = "EPSG:25833"
    form.resolution = 20
    #expect(try form.write(source, to: folder.path + "/copy.tif"))
    let copy = try RasterDataset(path: folder.path + "/copy.tif")
    #expect(copy.crs.label == "EPSG:25833" && abs(copy.transform.pixelWidth - 20) < 1e-9)
    let survey = try #require(try copy.survey())
    #expect(survey.statistics[0].minimum >= 0 && survey.statistics[0].maximum <= 398)
    // The corners that the turned picture leaves are nothing, not zero.
    #expect(copy.bands[0].nodata?.isNaN == true && survey.emptyPixels > 0 && survey.statistics[0].notANumber == 0)
  }
}
