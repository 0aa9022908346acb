internal import Geospatial
internal import JobTypes
internal import TaskProtocol

/// `process_large_raster`: the first stage plans tiles, the second writes each as `process_raster` writes a whole one.
enum LargeRasterHandler: TaskHandler {
  static let version: Int32 = 1

  static func run(_ context: TaskContext) throws -> String {
    guard context.assignment.stage == "plan" else { return try ProcessRasterHandler.run(context) }
    let parameters = try context.parameters(ProcessRasterParameters.self)
    try context.reporter.progress("plan", unit: "steps", done: 0, total: 1, message: "Planning the tiles")
    let source = try RasterSource(SourceAddress(parameters.source, allowedRoots: context.assignment.allowedRoots))
    guard SourcePin(source.files) == parameters.pin else {
      throw GeospatialError(.sourceChanged, "The source is not as it was when it was probed.")
    }
    let raster = try source.open(crs: parameters.crs)
    let format = try ProcessRasterHandler.format(raster, parameters)
    let whole = try format.size(of: raster)
    _ = try count(whole.width, whole.height)
    var tiles = tiles(whole.width, whole.height)
    if !format.moves {
      // Around a world that is no rectangle there are tiles without any place.
      let all = tiles.count
      tiles = try tiles.filter { try raster.isOnGlobe(x: $0.x, y: $0.y, width: $0.width, height: $0.height) }
      if tiles.count < all {
        var warnings = WarningTally()
        warnings.add(
          .readerRemark, layer: nil,
          detail:
            "\(all - tiles.count) of \(all) tiles lie where the reference system has no place on the globe, and are left out"
        )
        context.report(warnings)
      }
    }
    return try JSONText.encode(LargeRasterPlan(tiles: tiles))
  }

  /// How many tiles a raster has. Throws where that is more than one dataset may have.
  static func count(_ width: Int, _ height: Int) throws(GeospatialError) -> Int {
    func parts(_ length: Int) -> Int { (length + LargeRasterPlan.side - 1) / LargeRasterPlan.side }
    let count = parts(width) * parts(height)
    guard count <= LargeRasterPlan.most else {
      throw GeospatialError(
        .rasterTooLarge,
        "What is to be written has \(width) × \(height) pixels, which are \(count) tiles; \(LargeRasterPlan.most) are allowed.",
        details: ["width": "\(width)", "height": "\(height)", "tiles": "\(count)"])
    }
    return count
  }

  static func tiles(_ width: Int, _ height: Int) -> [RasterWindow] {
    let side = LargeRasterPlan.side
    var tiles: [RasterWindow] = []
    for (row, y) in stride(from: 0, to: height, by: side).enumerated() {
      for (column, x) in stride(from: 0, to: width, by: side).enumerated() {
        tiles.append(
          RasterWindow(
            row: row, column: column, x: x, y: y, width: min(side, width - x), height: min(side, height - y)))
      }
    }
    return tiles
  }
}
