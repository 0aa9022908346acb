internal import CGDAL

/// Several rasters as one.
public final class RasterMosaic {
  /// Pixels of the whole, in the first one's reference system at the finest resolution of all.
  public let width: Int
  public let height: Int
  private let paths: [String]
  private let first: RasterDataset
  /// Descriptions, in memory, of rasters moved to another reference system.
  private let moved: [String]

  /// - Parameters:
  ///   - paths: the uppermost first.
  ///   - inOneSystem: false: they lie in several reference systems, and all are laid out in the first one's.
  public init(paths: [String], inOneSystem: Bool = true) throws(GeospatialError) {
    guard let path = paths.first else { throw GeospatialError(.sourceEmpty, "A mosaic needs a raster.") }
    let first = try RasterDataset(path: path)
    self.first = first
    moved = inOneSystem ? [] : try paths.map { path throws(GeospatialError) in try Self.move(path, like: first) }
    let paths = inOneSystem ? paths : moved
    self.paths = paths
    let whole = try Self.build(paths, ["-resolution", "highest"])
    width = Int(GDALGetRasterXSize(whole))
    height = Int(GDALGetRasterYSize(whole))
    GDALClose(whole)
  }

  deinit { for path in moved { VSIUnlink(path) } }

  /// A raster as it lies in another's reference system, computed when it is read. Answers where that is described.
  private static func move(_ path: String, like first: RasterDataset) throws(GeospatialError) -> String {
    let name = "/vsimem/mosaic\(path.replacing("/", with: "_")).vrt"
    let words = StringList(
      ["-of", "VRT", "-t_srs", first.reference.wkt, "-r", "near"] + CloudOptimizedGeoTIFF.nothing(first))
    let (isMade, failures) = ErrorCapture.during { errors -> (Bool, [ErrorCapture.Report]) in
      guard let source = GDALOpenEx(path, UInt32(GDAL_OF_RASTER | GDAL_OF_READONLY), nil, nil, nil) else {
        return (false, errors.takeFailures())
      }
      defer { GDALClose(source) }
      guard let options = GDALWarpAppOptionsNew(words.pointer, nil) else { return (false, errors.takeFailures()) }
      defer { GDALWarpAppOptionsFree(options) }
      var input: [GDALDatasetH?] = [source]
      var misuse: Int32 = 0
      guard let made = GDALWarp(name, nil, 1, &input, options, &misuse) else { return (false, errors.takeFailures()) }
      GDALClose(made)
      return (true, errors.takeFailures())
    }
    guard isMade else {
      throw GeospatialError(
        .readError,
        "A scene cannot be laid out as the first is: \(failures.text(or: "GDAL gives no reason"))")
    }
    return name
  }

  /// All of it on at most `side` pixels a side, computed when it is read.
  public func smaller(side: Int) throws(GeospatialError) -> RasterDataset {
    let factor = max(1, Double(max(width, height)) / Double(side))
    let size = (first.transform.pixelWidth * factor, first.transform.pixelHeight * factor)
    var words = ["-resolution", "user", "-tr", "\(size.0)", "\(size.1)", "-r", "average"]
    // Where no scene lies is nothing, not black.
    if moved.isEmpty, !first.bands.contains(where: { $0.nodata != nil || $0.colour == .alpha }) {
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
