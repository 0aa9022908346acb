internal import Geospatial
internal import JobTypes
internal import TaskProtocol

/// `create_mosaic`: a picture of all scenes on a few thousand pixels. From afar a tile would read every one of them.
enum CreateMosaicHandler: TaskHandler {
  static let version: Int32 = 1

  /// Pixels of the overview's longer side.
  private static let side = 4_096
  /// Scenes that a picture of all is made of without one: each takes 20 ms to open and read.
  private static let few = 8

  static func run(_ context: TaskContext) throws -> String {
    let parameters = try context.parameters(CreateMosaicParameters.self)
    try context.reporter.progress("open", unit: "steps", done: 0, total: 1, message: "Laying the scenes together")
    var warnings = WarningTally()
    for file in parameters.leftOut ?? [] {
      warnings.add(.fileRejected, layer: file.name, detail: "COLLECTION_MISMATCH: \(file.why)")
    }
    context.report(warnings)
    let mosaic = try RasterMosaic(paths: parameters.files.map { "\(parameters.filesRoot)/\($0)" })
    return try JSONText.encode(layTogether(mosaic, scenes: parameters.files.count, kind: parameters.kind, context))
  }

  /// What is found of a mosaic, with an overview where it is large or has many scenes.
  static func layTogether(
    _ mosaic: RasterMosaic, scenes: Int, kind: String, _ context: TaskContext
  ) throws -> CreateMosaicResult {
    var result = CreateMosaicResult(width: mosaic.width, height: mosaic.height, overview: nil)
    if scenes > few || scenes > 1 && max(mosaic.width, mosaic.height) > side {
      result.overview = try overview(mosaic, kind, context)
    }
    return result
  }

  private static func overview(
    _ mosaic: RasterMosaic, _ kind: String, _ context: TaskContext
  ) throws -> ProcessRasterResult {
    let small = try mosaic.smaller(side: side)
    let hasAlpha = small.bands.last?.colour == .alpha
    guard let kind = RasterKind(rawValue: kind == "rgb" && hasAlpha ? "rgba" : kind) else {
      throw ProblemReport(.parametersInvalid, "There is no kind of raster \(kind).")
    }
    var format = CloudOptimizedGeoTIFF(small, kind)
    if (try? format.check(small)) == nil { format.compression = .deflate }
    let path = context.assignment.scratchDirectory + "/" + RasterFile.scratchName
    try ProcessRasterHandler.write(small, format, to: path, context.reporter)
    let written = try RasterDataset(path: path)
    let file = try WrittenFile(path, context.reporter)
    return try ProcessRasterResult(
      file: RasterFile.scratchName, bytes: file.bytes, sha256: file.sha256,
      raster: RasterDescription(written, kind: kind.rawValue, statistics: written.bands.map { _ in nil }),
      compression: format.compression.rawValue, isLossy: format.isLossy(for: small),
      resampling: format.resampling.rawValue, overviews: written.overviewSizes.count)
  }
}
