internal import Geospatial
internal import JobTypes
internal import TaskProtocol

/// `validate_raster`: reads every block, since what GDAL opens may still be cut off inside, and says what the raster is.
enum ValidateRasterHandler: TaskHandler {
  static let version: Int32 = 1

  /// From here on a raster is worth a warning, and from there on it is nothing at all.
  private static let mostlyEmpty = 0.9
  private static let empty = 0.99

  static func run(_ context: TaskContext) throws -> String {
    try JSONText.encode(validate(context.parameters(ValidateRasterParameters.self), context))
  }

  static func validate(_ parameters: ValidateRasterParameters, _ context: TaskContext) throws -> ValidateRasterResult {
    let reporter = context.reporter
    let source = try RasterSource(SourceAddress(parameters.source, allowedRoots: context.assignment.allowedRoots))
    guard SourcePin(source.files) == parameters.pin else {
      throw GeospatialError(.sourceChanged, "The source is not as it was when it was probed.")
    }
    let digest = SourceDigest(source.files)
    defer { digest.stop() }
    do {
      let raster = try source.open(crs: parameters.crs)
      let survey = try RasterReading(reporter).survey(raster, "Reading every pixel")
      guard survey.emptyShare < empty else {
        throw GeospatialError(
          .rasterEmpty,
          "\(percent(survey.emptyShare)) of the raster is nothing.",
          details: ["nodata_share": "\(survey.emptyShare)"])
      }
      var warnings = WarningTally()
      if survey.emptyShare >= mostlyEmpty {
        warnings.add(.mostlyNodata, layer: nil, detail: "\(percent(survey.emptyShare)) of the raster is nothing")
      }
      for (index, band) in survey.statistics.enumerated() where band.notANumber > 0 {
        warnings.add(
          .notANumber, layer: nil, detail: "band \(index + 1): \(band.notANumber) pixels", count: band.notANumber)
      }
      for (index, band) in survey.statistics.enumerated() where !band.isFinite {
        warnings.add(
          .readerRemark, layer: nil,
          detail:
            "band \(index + 1) has no statistics: its values go to \(max(-band.minimum, band.maximum)); if that stands "
            + "for nothing, say so in the file (gdal_edit.py -a_nodata)")
      }
      context.report(warnings)
      let sha256 = try digest.value { try reporter.alive() }
      try source.files.requireUnchanged()
      return try ValidateRasterResult(
        raster: RasterDescription(raster, survey), emptyPixels: survey.emptyPixels, sourceSHA256: sha256,
        versions: .current)
    } catch let error as GeospatialError {
      // What somebody writes to meanwhile may be read as anything.
      try source.files.requireUnchanged()
      throw error
    }
  }

  private static func percent(_ share: Double) -> String { "\((share * 10_000).rounded() / 100) %" }
}

/// Reads a whole raster and reports pixels.
struct RasterReading {
  let reporter: TaskReporter

  init(_ reporter: TaskReporter) { self.reporter = reporter }

  func survey(_ raster: RasterDataset, _ message: String) throws -> RasterSurvey {
    try reporter.progress("read", unit: "pixels", done: 0, total: nil, message: message)
    var stopped: (any Error)?
    let survey = try raster.survey { done, total in
      do {
        try reporter.progress("read", unit: "pixels", done: done, total: total, message: message)
        return true
      } catch {
        stopped = error
        return false
      }
    }
    guard let survey else { throw stopped ?? TaskCancelled() }
    return survey
  }
}

extension RasterDescription {
  init(_ raster: RasterDataset, _ survey: RasterSurvey) throws {
    try self.init(
      raster, kind: survey.kind.rawValue, statistics: survey.statistics.map { RasterStatistics($0, survey.pixels) })
    let classes = survey.classes?.compactMap { Int(exactly: $0) }
    bands[0].classes = classes?.count == survey.classes?.count ? classes : nil
  }

  /// - Parameter statistics: one for each band.
  init(_ raster: RasterDataset, kind: String, statistics: [RasterStatistics?]) throws {
    let footprint = try raster.footprint()
    let reference = raster.reference
    let t = raster.transform
    self.init(
      width: raster.width, height: raster.height,
      bands: zip(raster.bands, statistics).map { RasterBand($0, $1) }, kind: kind, crs: raster.crsLabel,
      crsCode: reference.code, crsWKT: reference.wkt, transform: [t.a, t.b, t.c, t.d, t.e, t.f],
      bbox: footprint.bbox, footprint: footprint.polygons)
  }
}

extension RasterStatistics {
  /// Nil: the band has no valid pixel, or values whose sum has no room in a number.
  init?(_ found: RasterSurvey.Statistics, _ pixels: Int64) {
    guard found.count > 0, pixels > 0, found.isFinite else { return nil }
    self.init(
      minimum: found.minimum, maximum: found.maximum, mean: found.mean, standardDeviation: found.standardDeviation,
      validShare: Double(found.count) / Double(pixels))
  }
}

extension RasterBand {
  init(_ band: RasterDataset.Band, _ statistics: RasterStatistics?) {
    self.init(
      type: band.type.rawValue, colour: band.colour.rawValue, nodata: band.nodata.map { Self.text($0, band.type) },
      unit: band.unit, description: band.description, scale: band.scale, offset: band.offset, statistics: statistics)
  }

  private static func text(_ value: Double, _ type: RasterDataset.PixelType) -> String {
    if value.isNaN { return "nan" }
    if value.isInfinite { return value > 0 ? "inf" : "-inf" }
    return type.isInteger && abs(value) < 9e15 ? "\(Int64(value))" : "\(value)"
  }
}
