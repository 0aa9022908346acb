import Testing

@testable import Geospatial

/// Rasters whose edges, or some of them, have no place on the globe.
@Suite("Rasters that reach beyond the globe") struct FootprintTests {
  private func footprint(_ crs: String, _ corners: [String]) throws -> RasterFootprint {
    let folder = try Folder()
    try folder.run(
      "gdal_create",
      ["-q", "-of", "GTiff", "-outsize", "60", "40", "-burn", "1", "-a_srs", crs, "-a_ullr"] + corners + ["n.tif"])
    return try RasterDataset(path: folder.path + "/n.tif").footprint()
  }

  private func close(_ found: [Double], _ expected: [Double], _ most: Double) -> Bool {
    zip(found, expected).allSatisfy { abs($0 - $1) <= most }
  }

  @Test(
    "a world that is no rectangle goes all around",
    arguments: [
      ("ESRI:54009", ["-18040096", "9020048", "18040096", "-9020048"]),
      ("+proj=igh", ["-20037508", "8673451", "20037508", "-8673451"]),
    ]) func world(_ crs: String, _ corners: [String]) throws
  {
    let found = try footprint(crs, corners)
    #expect(close(found.bbox, [-180, -90, 180, 90], 1), "\(found.bbox)")
  }

  @Test(
    "a picture of half the globe from afar",
    arguments: [
      ("-75", [-156.2, -81.2, 6.2, 81.2]), ("140.7", [59.5, -81.2, -138.1, 81.2]),
    ]) func disk(_ longitude: String, _ expected: [Double]) throws
  {
    let found = try footprint(
      "+proj=geos +h=35786023 +lon_0=\(longitude) +sweep=x +ellps=GRS80",
      ["-5500000", "5500000", "5500000", "-5500000"])
    #expect(close(found.bbox, expected, 0.5), "\(found.bbox)")
    #expect(found.polygons.count == (expected[0] > expected[2] ? 2 : 1))
  }

  @Test("nothing of it is on the globe") func nowhere() {
    #expect { try footprint("ESRI:54009", ["17000000", "9000000", "18000000", "8500000"]) } throws: {
      ($0 as? GeospatialError)?.code == .coordinatesOutOfRange
    }
  }

  @Test("parts beside it are known") func parts() throws {
    let folder = try Folder()
    try folder.run(
      "gdal_create",
      [
        "-q", "-of", "GTiff", "-outsize", "600", "300", "-burn", "1", "-a_srs", "ESRI:54009", "-a_ullr",
        "-18040096", "9020048", "18040096", "-9020048", "n.tif",
      ])
    let raster = try RasterDataset(path: folder.path + "/n.tif")
    #expect(try !raster.isOnGlobe(x: 0, y: 0, width: 50, height: 20))
    #expect(try raster.isOnGlobe(x: 0, y: 100, width: 50, height: 100))
    #expect(try raster.isOnGlobe(x: 0, y: 0, width: 600, height: 300))
  }
}
