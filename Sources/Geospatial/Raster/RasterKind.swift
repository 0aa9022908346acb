/// What a raster is: how it is compressed, and how its overviews are made.
public enum RasterKind: String, Sendable, CaseIterable {
  /// A picture of three bands.
  case rgb
  /// A picture with transparency.
  case rgba
  /// Heights: one band in units of length.
  case elevation
  /// Classes: values between two of them mean nothing.
  case categorical
  /// Anything measured.
  case continuous

  init(_ bands: [RasterDataset.Band], distinctValues: Int?) {
    let colours = bands.map(\.colour)
    let isByte = bands.allSatisfy { $0.type == .uint8 }
    if isByte, colours == [.red, .green, .blue] {
      self = .rgb
    } else if isByte, colours == [.red, .green, .blue, .alpha] {
      self = .rgba
    } else if bands.count == 1 || (bands.count == 2 && colours[1] == .alpha) {
      self = Self.single(bands[0], distinctValues)
    } else {
      self = .continuous
    }
  }

  private static let lengths: Set<String> = [
    "m", "metre", "metres", "meter", "meters", "ft", "foot", "feet", "us survey foot", "us-ft",
  ]
  /// A measured quantity has more values than this; land cover and the like have fewer.
  private static let mostClasses = 64

  private static func single(_ band: RasterDataset.Band, _ distinctValues: Int?) -> RasterKind {
    if band.hasClasses || band.colour == .palette { return .categorical }
    if lengths.contains(band.unit.lowercased()) { return .elevation }
    // A picture in gray has few values only where it has few pixels or is one of classes.
    if band.type.isInteger, let distinctValues, distinctValues <= mostClasses { return .categorical }
    return .continuous
  }
}
