import Foundation
import Testing

@testable import Geospatial

@Suite("Collections") struct RasterMosaicTests {
  private func scene(_ folder: Folder, _ name: String, column: Int, value: Int, type: String = "Byte") throws {
    let west = 500_000 + column * 1_000
    try folder.run(
      "gdal_create",
      [
        "-q", "-of", "GTiff", "-ot", type, "-outsize", "100", "100", "-burn", "\(value)", "-a_srs", "EPSG:25832",
        "-a_ullr", "\(west)", "5500000", "\(west + 1_000)", "5499000", name,
      ])
  }

  @Test("a pattern finds names in a folder, in order, and nothing else") func pattern() throws {
    let folder = try Folder()
    for name in ["b.tif", "a.tif", "c.TIF", "a b.tif", ".hidden.tif", "notes.txt"] { try folder.write(name, "x") }
    func found(_ pattern: String) throws -> [String] {
      try SourcePattern.files("file://\(folder.path)/\(pattern)", allowedRoots: [folder.path]).map {
        String($0.split(separator: "/").last!)
      }
    }
    #expect(try found("*.tif") == ["a%20b.tif", "a.tif", "b.tif"])
    #expect(try found("[bc].*") == ["b.tif", "c.TIF"])
    #expect(try found("%3F.tif") == ["a.tif", "b.tif"])
    #expect(throws: GeospatialError.self) { try found("*.png") }
    let outside = #expect(throws: GeospatialError.self) {
      try SourcePattern.files("file:///etc/*", allowedRoots: [folder.path])
    }
    #expect(outside?.code == .sourceOutsideRoots)
    let deep = #expect(throws: GeospatialError.self) {
      try SourcePattern.files("file://\(folder.path)/*/x.tif", allowedRoots: [folder.path])
    }
    #expect(deep?.code == .sourceInvalid)
  }

  @Test("scenes beside each other are one raster, with nothing where none lies") func beside() throws {
    let folder = try Folder()
    try scene(folder, "a.tif", column: 0, value: 10)
    try scene(folder, "b.tif", column: 2, value: 30)
    let mosaic = try RasterMosaic(paths: ["a.tif", "b.tif"].map { "\(folder.path)/\($0)" })
    #expect(mosaic.width == 300 && mosaic.height == 100)
    let small = try mosaic.smaller(side: 30)
    #expect(small.width == 30 && small.height == 10)
    #expect(small.bands.last?.colour == .alpha)
    let survey = try #require(try small.survey())
    #expect(survey.emptyPixels == 100, "the gap")
    #expect(survey.statistics[0].minimum == 10 && survey.statistics[0].maximum == 30)
  }

  @Test("the first lies uppermost") func order() throws {
    let folder = try Folder()
    try scene(folder, "a.tif", column: 0, value: 10, type: "Float32")
    try scene(folder, "b.tif", column: 0, value: 30, type: "Float32")
    for (names, value) in [(["a.tif", "b.tif"], 10.0), (["b.tif", "a.tif"], 30)] {
      let small = try RasterMosaic(paths: names.map { "\(folder.path)/\($0)" }).smaller(side: 50)
      #expect(try small.survey()?.statistics[0].mean == value)
    }
  }

  /// Made by gdal_create: where it lies, in which system, with which pixels.
  private func place(
    _ folder: Folder, _ name: String, crs: String = "EPSG:25832",
    box: [Double] = [500_000, 5_500_000, 501_000, 5_499_000],
    size: Int = 100, value: Int, more: [String] = []
  ) throws {
    try folder.run(
      "gdal_create",
      [
        "-q", "-of", "GTiff", "-outsize", "\(size)", "\(size)", "-burn", "\(value)", "-a_srs", crs, "-a_ullr",
      ] + box.map { "\($0)" } + more + [name])
  }

  @Test("scenes of other systems, resolutions and values for nothing are one raster as well") func unlike() throws {
    let folder = try Folder()
    try place(folder, "a.tif", value: 10)
    // Beside it, ten times as fine.
    try place(folder, "fine.tif", box: [501_000, 5_500_000, 502_000, 5_499_000], size: 1_000, value: 30)
    // Below it, with a value for nothing, half of it.
    try place(
      folder, "empty.tif", box: [500_000, 5_499_000, 501_000, 5_498_000], value: 0, more: ["-a_nodata", "0"])
    for names in [
      ["a.tif", "fine.tif", "empty.tif"], ["empty.tif", "a.tif", "fine.tif"], ["fine.tif", "empty.tif", "a.tif"],
    ] {
      let mosaic = try RasterMosaic(paths: names.map { "\(folder.path)/\($0)" })
      #expect(mosaic.width == 2_000 && mosaic.height == 2_000, "\(names)")
      let small = try mosaic.smaller(side: 200)
      #expect(small.width == 200 && small.height == 200)
      let survey = try #require(try small.survey())
      #expect(survey.emptyPixels == 20_000, "nothing is nothing, whoever lies first: \(names)")
      #expect(survey.statistics[0].minimum == 10 && survey.statistics[0].maximum == 30)
      #expect(abs(survey.statistics[0].mean - 20) < 0.5)
    }
  }

  @Test("a town in the world is not more pixels than there can be") func town() throws {
    let folder = try Folder()
    try place(folder, "world.tif", crs: "EPSG:4326", box: [-180, 90, 180, -90], size: 360, value: 10)
    try place(folder, "town.tif", crs: "EPSG:4326", box: [9, 50, 9.00001, 49.99999], size: 100, value: 30)
    for names in [["world.tif", "town.tif"], ["town.tif", "world.tif"]] {
      let mosaic = try RasterMosaic(paths: names.map { "\(folder.path)/\($0)" })
      #expect(mosaic.width == 3_600_000_000)
      let small = try mosaic.smaller(side: 512)
      #expect(small.width == 512)
      #expect(try small.survey()?.statistics[0].mean == 10)
    }
  }

  @Test("rotated scenes are laid upright") func rotated() throws {
    let folder = try Folder()
    try place(folder, "a.tif", value: 10)
    try folder.run(
      "gdal_translate", ["-q", "-of", "VRT", "a.tif", "turned.vrt"])
    let text = String(decoding: try folder.read("turned.vrt"), as: UTF8.self)
    let start = try #require(text.firstRange(of: "<GeoTransform>")),
      end = try #require(text.firstRange(of: "</GeoTransform>"))
    try folder.write(
      "turned.vrt",
      text.replacingCharacters(in: start.upperBound..<end.lowerBound, with: "502000, 7, 7, 5499500, 7, -7"))
    try folder.run("gdal_translate", ["-q", "turned.vrt", "turned.tif"])
    for names in [["a.tif", "turned.tif"], ["turned.tif", "a.tif"], ["turned.tif"]] {
      let mosaic = try RasterMosaic(paths: names.map { "\(folder.path)/\($0)" })
      let small = try mosaic.smaller(side: 100)
      let survey = try #require(try small.survey())
      #expect(survey.statistics[0].mean == 10 && survey.emptyPixels > 1_000, "\(names)")
      #expect(names.count > 1 ? mosaic.width > 250 : mosaic.width < 250)
    }
  }

  @Test("a part of a raster is those pixels") func window() throws {
    let folder = try Folder()
    try scene(folder, "a.tif", column: 0, value: 10)
    let raster = try RasterDataset(path: folder.path + "/a.tif")
    var format = CloudOptimizedGeoTIFF(raster, .continuous)
    format.window = (60, 20, 40, 30)
    #expect(try format.size(of: raster) == (100, 100))
    #expect(try format.write(raster, to: folder.path + "/part.tif"))
    let part = try RasterDataset(path: folder.path + "/part.tif")
    #expect(part.width == 40 && part.height == 30)
    #expect(part.transform.a == 500_600 && part.transform.d == 5_499_800)
  }
}
