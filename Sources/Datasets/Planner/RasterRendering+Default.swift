internal import JobTypes

extension RasterRendering {
  /// As the request says; what it leaves open by what the raster is.
  init(_ found: RasterDescription, _ options: DatasetSpec.Raster.Options) {
    self = RasterRendering(found).asked(options, bands: found.bands.count)
  }

  /// With what the request says.
  func asked(_ options: DatasetSpec.Raster.Options, bands: Int) -> RasterRendering {
    var shown = self
    if let asked = options.colormap.nonEmpty { shown.colormap = asked }
    let ranges = options.rescale
    if !ranges.isEmpty { shown.rescale = (0..<bands).map { ranges[min($0, ranges.count - 1)] } }
    return shown
  }

  /// How a raster is best looked at.
  init(_ raster: RasterDescription) {
    let colours = raster.bands.map(\.colour)
    let shown = Self.bands(ofColours: colours).map { $0 - 1 }
    let isPalette = shown.count == 1 && colours[shown[0]] == "palette"
    let isByte = raster.bands.allSatisfy { $0.type == "uint8" }
    var rescale: [[Double]]?
    if !isPalette && (!isByte || raster.kind == "elevation" || raster.kind == "categorical") {
      rescale = raster.bands.map { Self.range($0.statistics, isWhole: raster.kind == "categorical") }
    }
    var colormap: String?
    if shown.count == 1, !isPalette {
      switch raster.kind {
      case "elevation": colormap = "terrain"
      case "categorical": colormap = "tab20"
      default: colormap = isByte ? nil : "viridis"
      }
    }
    self.init(bands: shown.map { $0 + 1 }, rescale: rescale, colormap: colormap)
  }

  /// Two standard deviations around the mean, within the values there are: a few extremes would leave all else in one colour.
  private static func range(_ found: RasterStatistics?, isWhole: Bool) -> [Double] {
    guard let found else { return [0, 1] }
    var low = found.minimum
    var high = found.maximum
    if !isWhole {
      low = max(low, found.mean - 2 * found.standardDeviation)
      high = min(high, found.mean + 2 * found.standardDeviation)
    }
    return low < high ? [low, high] : [low, low + 1]
  }
}
