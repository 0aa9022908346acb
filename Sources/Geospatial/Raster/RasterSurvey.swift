internal import CGDAL

/// What reading every pixel of a raster found.
public struct RasterSurvey: Sendable, Equatable {
  /// Of the valid pixels of one band.
  public struct Statistics: Sendable, Equatable {
    public var count: Int64 = 0
    public var minimum = Double.infinity
    public var maximum = -Double.infinity
    public var mean = 0.0
    /// Sum of the squares of the differences to the mean.
    fileprivate var squares = 0.0
    /// Pixels that are no number, or infinite, and not marked as nodata.
    public var notANumber: Int64 = 0

    /// Whether the sums had room in a number: not so with values near its end, which usually stand for nothing.
    public var isFinite: Bool { mean.isFinite && squares.isFinite }

    /// Of all valid pixels, not of a sample.
    public var standardDeviation: Double { count > 0 ? (squares / Double(count)).squareRoot() : 0 }

    /// Chan, Golub and LeVeque (1979): exact however the pixels are cut into blocks.
    fileprivate mutating func add(_ other: Statistics) {
      notANumber += other.notANumber
      guard other.count > 0 else { return }
      let total = count + other.count
      let difference = other.mean - mean
      squares += other.squares + difference * difference * Double(count) * Double(other.count) / Double(total)
      mean += difference * Double(other.count) / Double(total)
      minimum = min(minimum, other.minimum)
      maximum = max(maximum, other.maximum)
      count = total
    }
  }

  public var statistics: [Statistics]
  /// Pixels for which no band has anything to say.
  public var emptyPixels: Int64
  public var pixels: Int64
  public var kind: RasterKind
  /// Of a raster of classes without colours of its own: the values there are, ascending.
  public var classes: [Double]?

  /// 0 … 1.
  public var emptyShare: Double { pixels > 0 ? Double(emptyPixels) / Double(pixels) : 0 }
}

extension RasterDataset {
  /// Reads every block of every band once. What GDAL opens may still be cut off or broken inside: only this finds it.
  ///
  /// - Parameter progress: told pixels read and pixels in all; false stops, and the survey is nil.
  public func survey(progress: (Int64, Int64) -> Bool = { _, _ in true }) throws(GeospatialError) -> RasterSurvey? {
    var reading = SurveyReading(self)
    let across = (width + reading.blockWidth - 1) / reading.blockWidth
    let down = (height + reading.blockHeight - 1) / reading.blockHeight
    var done: Int64 = 0
    for row in 0..<down {
      for column in 0..<across {
        let x = column * reading.blockWidth
        let y = row * reading.blockHeight
        let (w, h) = (min(reading.blockWidth, width - x), min(reading.blockHeight, height - y))
        try reading.read(self, x: x, y: y, width: w, height: h)
        done += Int64(w) * Int64(h)
        guard progress(done, Int64(width) * Int64(height)) else { return nil }
      }
    }
    let kind = RasterKind(bands, distinctValues: reading.distinct?.count)
    let hasColours = bands[0].colour == .palette
    return RasterSurvey(
      statistics: reading.statistics, emptyPixels: reading.empty, pixels: done, kind: kind,
      classes: kind == .categorical && !hasColours ? reading.distinct?.sorted() : nil)
  }
}

/// The buffers and sums of a survey.
private struct SurveyReading {
  let blockWidth: Int
  let blockHeight: Int
  var statistics: [RasterSurvey.Statistics]
  var empty: Int64 = 0
  /// Values of a single band of whole numbers; nil: too many, or not such a band.
  var distinct: Set<Double>?
  private var noted = Double.nan
  private var values: [Double]
  private var mask: [UInt8]
  /// Whether any band had something at a pixel.
  private var seen: [Bool]

  private static let mostDistinct = 256
  /// Pixels of a read: files in strips have blocks as wide as they are, and sometimes as high.
  private static let mostPixels = 1 << 20

  init(_ dataset: RasterDataset) {
    let first = dataset.bands[0]
    blockWidth = max(1, min(first.blockWidth, Self.mostPixels))
    blockHeight = max(1, min(first.blockHeight, Self.mostPixels / blockWidth))
    statistics = Array(repeating: RasterSurvey.Statistics(), count: dataset.bands.count)
    let isSingle = dataset.bands.filter { $0.colour != .alpha }.count == 1 && first.type.isInteger
    distinct = isSingle ? [] : nil
    values = Array(repeating: 0, count: blockWidth * blockHeight)
    mask = Array(repeating: 255, count: blockWidth * blockHeight)
    seen = Array(repeating: false, count: blockWidth * blockHeight)
  }

  mutating func read(_ dataset: RasterDataset, x: Int, y: Int, width: Int, height: Int) throws(GeospatialError) {
    let count = width * height
    for index in 0..<count { seen[index] = false }
    for number in dataset.bands.indices {
      try fill(dataset, band: number, x: x, y: y, width: width, height: height)
      statistics[number].add(summary(of: count, isAlpha: dataset.bands[number].colour == .alpha, isFirst: number == 0))
    }
    for index in 0..<count where !seen[index] { empty += 1 }
  }

  private mutating func fill(
    _ dataset: RasterDataset, band number: Int, x: Int, y: Int, width: Int, height: Int
  ) throws(GeospatialError) {
    let (result, failures) = ErrorCapture.during { errors -> (CPLErr, [ErrorCapture.Report]) in
      guard let band = GDALGetRasterBand(dataset.handle, Int32(number + 1)) else { return (CE_Failure, []) }
      var result = GDALRasterIO(
        band, GF_Read, Int32(x), Int32(y), Int32(width), Int32(height), &values, Int32(width), Int32(height),
        GDT_Float64, 0, 0)
      if result == CE_None, GDALGetMaskFlags(band) != GMF_ALL_VALID {
        result = GDALRasterIO(
          GDALGetMaskBand(band), GF_Read, Int32(x), Int32(y), Int32(width), Int32(height), &mask, Int32(width),
          Int32(height), GDT_Byte, 0, 0)
      } else {
        for index in 0..<width * height { mask[index] = 255 }
      }
      return (result, errors.takeFailures())
    }
    guard result == CE_None, failures.isEmpty else {
      let why = failures.text(or: "GDAL gives no reason")
      throw GeospatialError(
        .sourceTruncated, "The file is cut off or broken inside (band \(number + 1), pixel \(x), line \(y)): \(why)",
        details: ["band": "\(number + 1)", "pixel": "\(x)", "line": "\(y)"])
    }
  }

  /// Two passes over what was read: sums of squares of large numbers that differ little would lose what matters.
  private mutating func summary(of count: Int, isAlpha: Bool, isFirst: Bool) -> RasterSurvey.Statistics {
    var result = RasterSurvey.Statistics()
    var sum = 0.0
    for index in 0..<count where mask[index] != 0 {
      let value = values[index]
      guard value.isFinite else {
        result.notANumber += 1
        continue
      }
      // An alpha band says of a pixel whether the others count.
      if !isAlpha { seen[index] = true }
      sum += value
      result.count += 1
      result.minimum = min(result.minimum, value)
      result.maximum = max(result.maximum, value)
    }
    guard result.count > 0 else { return result }
    result.mean = sum / Double(result.count)
    for index in 0..<count where mask[index] != 0 && values[index].isFinite {
      let difference = values[index] - result.mean
      result.squares += difference * difference
      if isFirst, distinct != nil { note(values[index]) }
    }
    return result
  }

  private mutating func note(_ value: Double) {
    // Classes lie beside their own kind.
    guard value != noted else { return }
    noted = value
    distinct?.insert(value)
    if let found = distinct?.count, found > Self.mostDistinct { distinct = nil }
  }
}
