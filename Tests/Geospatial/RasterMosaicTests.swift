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
