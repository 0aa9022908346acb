internal import JobTypes
internal import TaskProtocol

/// probe → validate_raster → process_large_raster → create_mosaic → stac_catalog_collection → verify: a raster that the probe finds
/// too large for one file becomes tiles, served as one mosaic. From the tiles on it is what a collection is.
struct LargeRasterChain: Sendable {
  var raster: RasterChain
  var tiles: CollectionChain

  init(subject: ChainSubject, build: Int64, publicURL: String) {
    raster = RasterChain(subject: subject, build: build, publicURL: publicURL)
    tiles = CollectionChain(subject: subject, build: build, publicURL: publicURL, areTiles: true)
  }

  static let steps = [
    JobType.probe, JobType.validateRaster, JobType.processLargeRaster, JobType.createMosaic,
    JobType.stacCatalogCollection, JobType.verify,
  ]

  static let weights = CollectionChain.weights

  func scenes(_ valid: ValidateRasterResult, _ files: [ProcessRasterResult]) throws -> [CollectionChain.Scene] {
    guard !files.isEmpty else {
      throw ProblemReport(reason: "INTERNAL", message: "the large raster left no tiles")
    }
    return files.map { CollectionChain.Scene(id: $0.window?.id ?? "tile", valid: valid, file: $0) }
  }
}
