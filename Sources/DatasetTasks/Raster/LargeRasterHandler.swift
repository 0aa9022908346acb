internal import Geospatial
internal import JobTypes
internal import TaskProtocol

/// `process_large_raster`: the first stage plans tiles, the second writes each as `process_raster` writes a whole one.
enum LargeRasterHandler: TaskHandler {
  static let version: Int32 = 1

  /// Pixels of a tile's side: overviews down to a sixteenth meet their neighbours' pixel by pixel.
  static let side = 8_192

  static func run(_ context: TaskContext) throws -> String {
    guard context.assignment.stage == "plan" else { return try ProcessRasterHandler.run(context) }
    let parameters = try context.parameters(ProcessRasterParameters.self)
    try context.reporter.progress("plan", unit: "steps", done: 0, total: 1, message: "Planning the tiles")
    let source = try RasterSource(SourceAddress(parameters.source, allowedRoots: context.assignment.allowedRoots))
    guard SourcePin(source.files) == parameters.pin else {
      throw GeospatialError(.sourceChanged, "The source is not as it was when it was probed.")
    }
    let raster = try source.open(crs: parameters.crs)
    let whole = try ProcessRasterHandler.format(raster, parameters).size(of: raster)
    return try JSONText.encode(LargeRasterPlan(tiles: tiles(whole.width, whole.height, parameters)))
  }

  static func tiles(_ width: Int, _ height: Int, _ parameters: ProcessRasterParameters) -> [ProcessRasterParameters] {
    var tiles: [ProcessRasterParameters] = []
    for (row, y) in stride(from: 0, to: height, by: side).enumerated() {
      for (column, x) in stride(from: 0, to: width, by: side).enumerated() {
        var tile = parameters
        tile.threads = 1
        tile.window = RasterWindow(
          row: row, column: column, x: x, y: y, width: min(side, width - x), height: min(side, height - y))
        tiles.append(tile)
      }
    }
    return tiles
  }
}
