internal import JobTypes

extension RasterRendering {
  /// As the request says; what it leaves open by what the raster is.
  init(_ found: RasterDescription, _ options: DatasetSpec.Raster.Options) {
    self = RasterRendering(found).asked(options, bands: found.bands.count)
  }

  /// With what the request says.
  func asked(_ options: DatasetSpec.Raster.Options, bands: Int) -> RasterRendering {
    var shown = self
    let ranges = options.rescale
    if let asked = options.colormap.nonEmpty { shown.colormap = asked }
    if !ranges.isEmpty { shown.rescale = (0..<bands).map { ranges[min($0, ranges.count - 1)] } }
    // Who names colours or a range does not want one colour a class.
    if options.colormap.nonEmpty != nil || !ranges.isEmpty { shown.colours = nil }
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
    // The range and the map stay for whoever asks for one of them.
    self.init(
      bands: shown.map { $0 + 1 }, rescale: rescale, colormap: colormap,
      colours: shown.count == 1 ? raster.bands[shown[0]].classes.map(Self.colours) : nil)
  }

  /// One for each class, by turns: stretched between the smallest and the largest, classes of far-off numbers share one.
  private static func colours(_ classes: [Int]) -> [[Int]] {
    classes.enumerated().map { [$1] + tab20[$0 % tab20.count] }
  }

  /// Matplotlib's `tab20`.
  private static let tab20 = [
    [31, 119, 180], [174, 199, 232], [255, 127, 14], [255, 187, 120], [44, 160, 44], [152, 223, 138], [214, 39, 40],
    [255, 152, 150], [148, 103, 189], [197, 176, 213], [140, 86, 75], [196, 156, 148], [227, 119, 194],
    [247, 182, 210], [127, 127, 127], [199, 199, 199], [188, 189, 34], [219, 219, 141], [23, 190, 207],
    [158, 218, 229],
  ]

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
