internal import Geospatial
internal import Glibc
internal import JobTypes
internal import TaskProtocol

/// `process_raster`: writes the raster as a cloud-optimised GeoTIFF into the attempt's folder; the server takes it over.
enum ProcessRasterHandler: TaskHandler {
  static let version: Int32 = 1

  static func run(_ context: TaskContext) throws -> String {
    let parameters = try context.parameters(ProcessRasterParameters.self)
    let source = try RasterSource(SourceAddress(parameters.source, allowedRoots: context.assignment.allowedRoots))
    guard SourcePin(source.files) == parameters.pin else {
      throw GeospatialError(.sourceChanged, "The source is not as it was when it was probed.")
    }
    let path = context.assignment.scratchDirectory + "/" + RasterFile.scratchName
    do {
      let raster = try source.open(crs: parameters.crs)
      let format = try format(raster, parameters)
      try write(raster, format, to: path, context.reporter)
      try source.files.requireUnchanged()
      return try JSONText.encode(try describe(path, raster, format, parameters, context.reporter))
    } catch let error as GeospatialError {
      try source.files.requireUnchanged()
      throw error
    }
  }

  /// How it is written: what suits its kind, then what the request says.
  static func format(
    _ raster: RasterDataset, _ parameters: ProcessRasterParameters
  ) throws -> CloudOptimizedGeoTIFF {
    guard let kind = RasterKind(rawValue: parameters.raster.kind) else {
      throw ProblemReport(.parametersInvalid, "There is no kind of raster \(parameters.raster.kind).")
    }
    var format = try format(raster, kind, parameters.writing)
    format.window = parameters.window.map { ($0.x, $0.y, $0.width, $0.height) }
    format.threads = parameters.threads ?? max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    return format
  }

  static func format(
    _ raster: RasterDataset, _ kind: RasterKind, _ writing: RasterWriting
  ) throws -> CloudOptimizedGeoTIFF {
    var format = CloudOptimizedGeoTIFF(raster, kind)
    if let name = writing.compression {
      guard let compression = CloudOptimizedGeoTIFF.Compression(rawValue: name) else {
        throw ProblemReport(.parametersInvalid, "There is no compression \(name).")
      }
      format.compression = compression
    }
    if let name = writing.resampling {
      guard let resampling = CloudOptimizedGeoTIFF.Resampling(rawValue: name) else {
        throw ProblemReport(.parametersInvalid, "There is no resampling \(name).")
      }
      (format.resampling, format.moving) = (resampling, resampling)
    }
    format.targetCRS = writing.targetCRS
    format.resolution = writing.resolution
    format.overviews = writing.overviews
    try format.check(raster)
    return format
  }

  static func write(
    _ raster: RasterDataset, _ format: CloudOptimizedGeoTIFF, to path: String, _ reporter: TaskReporter
  ) throws {
    let total = format.window.map { Int64($0.width) * Int64($0.height) } ?? Int64(raster.width) * Int64(raster.height)
    var stopped: (any Error)?
    let isWhole = try format.write(raster, to: path) { share in
      do {
        try reporter.progress(
          "write", unit: "pixels", done: Int64(Double(total) * share), total: total,
          message: "Writing a cloud-optimised GeoTIFF")
        return true
      } catch {
        stopped = error
        return false
      }
    }
    guard isWhole else { throw stopped ?? TaskCancelled() }
  }

  /// The file as it is, read again: where pixels were moved, its statistics are others than the source's.
  private static func describe(
    _ path: String, _ raster: RasterDataset, _ format: CloudOptimizedGeoTIFF, _ parameters: ProcessRasterParameters,
    _ reporter: TaskReporter
  ) throws -> ProcessRasterResult {
    let written = try RasterDataset(path: path)
    var description: RasterDescription
    if format.window == nil, format.moves {
      let survey = try RasterReading(reporter).survey(written, "Reading what was written")
      let statistics = survey.statistics.map { RasterStatistics($0, survey.pixels) }
      description = try RasterDescription(written, kind: parameters.raster.kind, statistics: statistics)
    } else {
      description = try RasterDescription(
        written, kind: parameters.raster.kind, statistics: parameters.raster.bands.map(\.statistics))
    }
    description.bands[0].classes = parameters.raster.bands[0].classes
    let file = try WrittenFile(path, reporter)
    var result = ProcessRasterResult(
      file: RasterFile.scratchName, bytes: file.bytes, sha256: file.sha256, raster: description,
      compression: format.compression.rawValue, isLossy: format.isLossy(for: raster),
      resampling: (format.moves ? format.moving : format.resampling).rawValue, overviews: written.overviewSizes.count)
    result.window = parameters.window
    return result
  }
}
