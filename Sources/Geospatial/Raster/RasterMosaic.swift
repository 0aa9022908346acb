internal import CGDAL

/// Several rasters that lie in one reference system, as one.
public struct RasterMosaic {
  /// Pixels of the whole, at the scenes' resolution.
  public let width: Int
  public let height: Int
  private let paths: [String]
  private let first: RasterDataset

  /// - Parameter paths: the uppermost first.
  public init(paths: [String]) throws(GeospatialError) {
    guard let path = paths.first else { throw GeospatialError(.sourceEmpty, "A mosaic needs a raster.") }
    self.paths = paths
    first = try RasterDataset(path: path)
    let whole = try Self.build(paths, ["-resolution", "highest"])
    width = Int(GDALGetRasterXSize(whole))
    height = Int(GDALGetRasterYSize(whole))
    GDALClose(whole)
  }

  /// All of it on at most `side` pixels a side, computed when it is read.
  public func smaller(side: Int) throws(GeospatialError) -> RasterDataset {
    let factor = max(1, Double(max(width, height)) / Double(side))
    let size = (first.transform.pixelWidth * factor, first.transform.pixelHeight * factor)
    var words = ["-resolution", "user", "-tr", "\(size.0)", "\(size.1)", "-r", "average"]
    // Where no scene lies is nothing, not black.
    if !first.bands.contains(where: { $0.nodata != nil || $0.colour == .alpha }) {
      switch first.bands[0].type {
      case .uint8, .uint16: words.append("-addalpha")
      case .float32, .float64: words += ["-vrtnodata", "nan"]
      case .int16: words += ["-vrtnodata", "\(Int16.min)"]
      case .int32, .int64: words += ["-vrtnodata", "\(Int32.min)"]
      case .uint32, .uint64: words += ["-vrtnodata", "\(UInt32.max)"]
      }
    }
    return try RasterDataset(owning: Self.build(paths, words))
  }

  private static func build(_ paths: [String], _ words: [String]) throws(GeospatialError) -> GDALDatasetH {
    // The last one lies uppermost.
    let names = StringList(paths.reversed())
    let list = StringList(words + ["-q"])
    let (built, failures) = ErrorCapture.during { errors -> (GDALDatasetH?, [ErrorCapture.Report]) in
      guard let options = GDALBuildVRTOptionsNew(list.pointer, nil) else { return (nil, errors.takeFailures()) }
      defer { GDALBuildVRTOptionsFree(options) }
      var misuse: Int32 = 0
      let built = names.withConstPointer { GDALBuildVRT("", Int32(paths.count), nil, $0, options, &misuse) }
      return (built, errors.takeFailures())
    }
    guard let built else {
      throw GeospatialError(
        .readError, "The scenes cannot be laid together: \(failures.text(or: "GDAL gives no reason"))")
    }
    return built
  }
}
