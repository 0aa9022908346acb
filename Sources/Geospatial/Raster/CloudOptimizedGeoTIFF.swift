internal import CGDAL
internal import Glibc

/// How a raster is written for serving.
public struct CloudOptimizedGeoTIFF: Sendable {
  /// How pixels are compressed.
  public enum Compression: String, Sendable, CaseIterable {
    case deflate, zstd, lzw, jpeg, webp, lerc
  }

  /// How pixels between pixels come about.
  public enum Resampling: String, Sendable, CaseIterable {
    case nearest, bilinear, cubic, average, mode
  }

  public var compression: Compression
  /// Of overviews.
  public var resampling: Resampling
  /// Of the pixels themselves where they are moved to another reference system or resolution: they lie between four others, or are
  /// one of them.
  public var moving: Resampling
  /// Another reference system; nil: the file's own.
  public var targetCRS: String?
  /// Units of the reference system a pixel; nil: about as fine as the source.
  public var resolution: Double?
  /// Smaller copies inside the file, for when it is looked at from afar.
  public var overviews = true
  /// The part that is written: x, y, width and height in pixels of the whole; nil: all of it.
  public var window: (x: Int, y: Int, width: Int, height: Int)?
  /// Compressing threads.
  public var threads = 1

  /// JPEG and WebP: 1 … 100.
  public static let quality = 85
  /// LERC: the most a height may be off, in its own unit. Whole numbers stay as they are.
  public static let heightError = 0.001

  /// What suits a raster: pictures lossy, all else as it is.
  public init(_ raster: RasterDataset, _ kind: RasterKind) {
    switch kind {
    case .rgb:
      // A lossy codec moves the value that stands for nothing.
      compression = raster.bands.contains { $0.nodata != nil } ? .deflate : .jpeg
      resampling = .average
    case .rgba: (compression, resampling) = (.webp, .average)
    case .elevation: (compression, resampling) = (.lerc, .average)
    case .categorical: (compression, resampling) = (.deflate, .mode)
    case .continuous: (compression, resampling) = (.deflate, .average)
    }
    moving = kind == .categorical ? .nearest : .bilinear
  }

  /// Whether values may come out other than they went in.
  public func isLossy(for raster: RasterDataset) -> Bool {
    switch compression {
    case .jpeg, .webp: true
    case .lerc: !raster.bands.allSatisfy(\.type.isInteger)
    case .deflate, .zstd, .lzw: false
    }
  }

  /// Fails with `OPTION_UNSUITABLE` where the codec cannot hold the raster's bands.
  public func check(_ raster: RasterDataset) throws(GeospatialError) {
    let isByte = raster.bands.allSatisfy { $0.type == .uint8 }
    let count = raster.bands.count
    let isFit =
      switch compression {
      case .jpeg: isByte && (count == 1 || count == 3) && !raster.bands.contains { $0.colour == .palette }
      case .webp: isByte && (count == 3 || count == 4)
      case .lerc: !raster.bands.contains { [.int64, .uint64].contains($0.type) }
      case .deflate, .zstd, .lzw: true
      }
    guard isFit else {
      let types = raster.bands.map(\.type.rawValue)
      throw GeospatialError(
        .optionUnsuitable,
        "\(compression.rawValue) cannot hold a raster of \(count) bands of \(Set(types).sorted().joined(separator: ", ")).",
        details: ["compression": compression.rawValue])
    }
    guard let targetCRS else { return }
    _ = try CoordinateReference(request: targetCRS)
  }

  /// Writes the file. `progress` is told the share that is done, 0 … 1, and stops it by false: then nothing is left, and the answer
  /// is false.
  public func write(
    _ raster: RasterDataset, to path: String, progress: (Double) -> Bool = { _ in true }
  ) throws(GeospatialError) -> Bool {
    guard let driver = GDALGetDriverByName("COG") else {
      throw GeospatialError(.readError, "This GDAL cannot write cloud-optimised GeoTIFFs.")
    }
    let options = StringList(creationOptions(raster))
    var isStopped = false
    let (written, failures) = ErrorCapture.during { errors -> (Bool, [ErrorCapture.Report]) in
      guard let made = sources(of: raster) else { return (false, errors.takeFailures()) }
      // The last is made of the one before.
      defer { for dataset in made.reversed() { GDALClose(dataset) } }
      let source = made.last ?? raster.handle
      return withoutActuallyEscaping(progress) { progress in
        let watch = ProgressWatch(progress)
        let dataset = GDALCreateCopy(
          driver, path, source, 0, options.pointer, reportProgress, Unmanaged.passUnretained(watch).toOpaque())
        // What is still to be written is written now, and may fail.
        if let dataset { GDALClose(dataset) }
        isStopped = watch.isStopped
        return (dataset != nil, errors.takeFailures())
      }
    }
    if isStopped {
      unlink(path)
      return false
    }
    guard written, failures.isEmpty else {
      unlink(path)
      let why = failures.text(or: "GDAL gives no reason")
      if why.contains("No space left") || why.contains("write error") || why.contains("Write error") {
        throw GeospatialError(.diskFull, "There is no room for the raster: \(why)")
      }
      throw GeospatialError(.readError, "The raster could not be written as a cloud-optimised GeoTIFF: \(why)")
    }
    return true
  }

  func creationOptions(_ raster: RasterDataset) -> [String] {
    var options = [
      "BLOCKSIZE=512", "BIGTIFF=IF_SAFER", "NUM_THREADS=\(threads)",
      "OVERVIEW_RESAMPLING=\(resampling.rawValue.uppercased())",
    ]
    if !overviews { options.append("OVERVIEWS=NONE") }
    switch compression {
    case .jpeg, .webp: options += ["COMPRESS=\(compression.rawValue.uppercased())", "QUALITY=\(Self.quality)"]
    case .lerc:
      options.append("COMPRESS=LERC_DEFLATE")
      options.append("MAX_Z_ERROR=\(raster.bands.allSatisfy(\.type.isInteger) ? 0 : Self.heightError)")
    case .deflate, .zstd, .lzw:
      options += ["COMPRESS=\(compression.rawValue.uppercased())", "PREDICTOR=\(resampling == .mode ? "NO" : "YES")"]
    }
    return options
  }

  /// Width and height of what is written, all of it.
  public func size(of raster: RasterDataset) throws(GeospatialError) -> (width: Int, height: Int) {
    var whole = self
    whole.window = nil
    let (made, failures) = ErrorCapture.during { errors in (whole.sources(of: raster), errors.takeFailures()) }
    guard let made else {
      let why = failures.text(or: "GDAL gives no reason")
      // What is asked for may have no place there, or no pixel.
      throw GeospatialError(
        moves ? .optionUnsuitable : .readError,
        moves
          ? "The raster cannot be laid out as target_crs and resolution say: \(why)"
          : "The raster cannot be laid out: \(why)")
    }
    defer { for dataset in made.reversed() { GDALClose(dataset) } }
    let last = made.last ?? raster.handle
    return (Int(GDALGetRasterXSize(last)), Int(GDALGetRasterYSize(last)))
  }

  /// The raster as it is to be written: labelled as the request says, in the system it says, the part of it; computed while it is
  /// written. Each is made of the one before, to be closed from the last.
  private func sources(of raster: RasterDataset) -> [GDALDatasetH]? {
    var made: [GDALDatasetH] = []
    func add(_ dataset: GDALDatasetH?) -> Bool {
      if let dataset { made.append(dataset) }
      return dataset != nil
    }
    let isWhole =
      (!raster.needsLabels || add(raster.labelled()))
      && (!moves || add(warped(made.last ?? raster.handle, raster)))
      && (window == nil || add(cut(made.last ?? raster.handle)))
    guard isWhole else {
      for dataset in made.reversed() { GDALClose(dataset) }
      return nil
    }
    return made
  }

  private func warped(_ source: GDALDatasetH, _ raster: RasterDataset) -> GDALDatasetH? {
    var words = ["-of", "VRT", "-r", warpResampling]
    if let targetCRS { words += ["-t_srs", targetCRS] }
    if let resolution { words += ["-tr", "\(resolution)", "\(resolution)"] }
    words += Self.nothing(raster)
    let list = StringList(words)
    guard let options = GDALWarpAppOptionsNew(list.pointer, nil) else { return nil }
    defer { GDALWarpAppOptionsFree(options) }
    var input: [GDALDatasetH?] = [source]
    var misuse: Int32 = 0
    return GDALWarp("", nil, 1, &input, options, &misuse)
  }

  private func cut(_ source: GDALDatasetH) -> GDALDatasetH? {
    guard let window else { return nil }
    let words = StringList([
      "-of", "VRT", "-srcwin", "\(window.x)", "\(window.y)", "\(window.width)", "\(window.height)",
    ])
    guard let options = GDALTranslateOptionsNew(words.pointer, nil) else { return nil }
    defer { GDALTranslateOptionsFree(options) }
    var misuse: Int32 = 0
    return GDALTranslate("", source, options, &misuse)
  }

  /// Where no pixel of the source falls is not zero, but nothing. GDAL takes an alpha band for that in bytes and 16 bits only.
  private static func nothing(_ raster: RasterDataset) -> [String] {
    guard !raster.bands.contains(where: { $0.nodata != nil || $0.colour == .alpha }) else { return [] }
    return nothing(raster.bands[0].type)
  }

  static func nothing(_ type: RasterDataset.PixelType) -> [String] {
    switch type {
    case .uint8, .uint16: return ["-dstalpha"]
    case .float32, .float64: return ["-dstnodata", "nan"]
    case .int16: return ["-dstnodata", "\(Int16.min)"]
    case .int32, .int64: return ["-dstnodata", "\(Int32.min)"]
    case .uint32, .uint64: return ["-dstnodata", "\(UInt32.max)"]
    }
  }

  private var warpResampling: String { moving == .nearest ? "near" : moving.rawValue }

  /// Whether pixels are moved.
  public var moves: Bool { targetCRS != nil || resolution != nil }
}

/// Between GDAL's callback and a Swift closure.
private final class ProgressWatch {
  private let progress: (Double) -> Bool
  private(set) var isStopped = false

  init(_ progress: @escaping (Double) -> Bool) { self.progress = progress }

  func report(_ share: Double) -> Bool {
    if !isStopped, !progress(min(max(share, 0), 1)) { isStopped = true }
    return !isStopped
  }
}

/// C callback: captures nothing, its state comes through GDAL's argument.
private func reportProgress(
  _ share: Double, _ message: UnsafePointer<CChar>?, _ argument: UnsafeMutableRawPointer?
) -> Int32 {
  guard let argument else { return 1 }
  return Unmanaged<ProgressWatch>.fromOpaque(argument).takeUnretainedValue().report(share) ? 1 : 0
}
