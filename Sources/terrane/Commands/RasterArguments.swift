import ArgumentParser
import CommandLineClient
import ProtobufFacade
import TerraneMessages

/// How a raster is written and shown.
struct RasterArguments: ParsableArguments {
  @Option(help: ArgumentHelp("Move the pixels to this reference system.", valueName: "EPSG:code"))
  var targetCrs: String?

  @Option(help: ArgumentHelp("Size of a pixel, in units of the reference system.", valueName: "units"))
  var resolution: Double?

  @Option(help: "Between pixels: nearest, bilinear, cubic, average or mode.")
  var resampling: String?

  @Option(help: "Of the file: deflate, zstd, lzw, jpeg, webp or lerc.")
  var compression: String?

  @Option(help: ArgumentHelp("Colours of a single band, such as viridis or terrain.", valueName: "name"))
  var colormap: String?

  @Option(
    name: .customLong("rescale"),
    help: ArgumentHelp("Values shown darkest and lightest; repeat for each band.", valueName: "min,max"))
  var ranges: [String] = []

  @Flag(help: "Leave minimum, maximum, mean and deviation of the bands out.")
  var noStatistics = false

  @Flag(help: "Write no smaller copies into the file.")
  var noOverviews = false

  @Flag(help: "Draw the tiles of the low zooms beforehand, for many viewers.")
  var tiles = false

  @Flag(help: "Of a collection: leave out files that cannot be used, instead of failing.")
  var tolerant = false

  func validate() throws {
    // The request's 0 means that none was given.
    if let resolution, !(resolution > 0 && resolution.isFinite) {
      throw ValidationError("--resolution takes a size above 0; without it pixels are about as fine as the source's.")
    }
  }

  /// A pattern as people read it. A question mark stays `%3F`: bare it would begin a query.
  static func pattern(_ url: String) -> String {
    url.replacing("%2A", with: "*").replacing("%5B", with: "[").replacing("%5D", with: "]")
  }

  /// The options that were given.
  var given: [String] {
    var names = [
      ("--target-crs", targetCrs), ("--resolution", resolution.map { "\($0)" }), ("--resampling", resampling),
      ("--compression", compression), ("--colormap", colormap), ("--rescale", ranges.first),
    ].compactMap { $0.1 == nil ? nil : $0.0 }
    if noStatistics { names.append("--no-statistics") }
    if noOverviews { names.append("--no-overviews") }
    if tiles { names.append("--tiles") }
    return names
  }

  /// Whether a source is one by its name.
  static func isRaster(_ url: String) -> Bool {
    let name = url.lowercased()
    return name.hasSuffix(".tif") || name.hasSuffix(".tiff")
  }

  /// As the request says it; nil: none was given.
  func message() throws -> RasterOptions? {
    guard !given.isEmpty else { return nil }
    return RasterOptions(
      targetCrs: targetCrs ?? "", resolution: resolution ?? 0,
      resampling: try choice("--resampling", resampling, RasterOptions.Resampling.init(jsonName:)) ?? .unspecified,
      compression: try choice("--compression", compression, RasterOptions.Compression.init(jsonName:)) ?? .unspecified,
      generateStatistics: noStatistics ? false : nil, buildOverviews: noOverviews ? false : nil,
      colormap: colormap ?? "", rescale: try ranges.map(range), enableTiles: tiles)
  }

  private func choice<T>(_ option: String, _ text: String?, _ make: (String) -> T?) throws -> T? {
    guard let text else { return nil }
    guard text.lowercased() != "unspecified", let value = make(text.lowercased()) else {
      throw CommandLineError(
        .badRequest, "INVALID_ARGUMENT", "\(option) has no value \"\(text)\".",
        remedy: "terrane create --help lists them.")
    }
    return value
  }

  private func range(_ text: String) throws -> ValueRange {
    let numbers = text.split(separator: ",").compactMap { Double($0) }
    guard numbers.count == 2, numbers[0] < numbers[1] else {
      throw CommandLineError(
        .badRequest, "INVALID_ARGUMENT", "--rescale is a smaller and a larger number, not \"\(text)\".",
        remedy: "For instance --rescale 0,4000.")
    }
    return ValueRange(minimum: numbers[0], maximum: numbers[1])
  }
}
