internal import CGDAL

/// Several rasters as one, in the first one's reference system.
public final class RasterMosaic {
  /// Pixels of the whole, at the finest resolution of all.
  public let width: Int
  public let height: Int
  private let scenes: [Scene]
  /// What is laid together, the uppermost first: the rasters, or descriptions in memory of how they lie in the first one's system.
  private let paths: [String]
  private let moved: [String]
  /// West, south, east, north, in units of the system; and the finest pixel's.
  private let extent: [Double]
  private let pixel: (width: Double, height: Double)

  /// What has to be alike for rasters to be laid together as they are.
  private struct Scene: Equatable {
    var wkt: String
    var isRotated: Bool
    /// Of each band, what stands for nothing, bit by bit: NaN is like itself.
    var nodata: [UInt64?]
    var hasAlpha: Bool
    var type: RasterDataset.PixelType

    init(_ raster: RasterDataset) {
      wkt = raster.reference.wkt
      isRotated = raster.transform.isRotated
      nodata = raster.bands.map { $0.nodata?.bitPattern }
      hasAlpha = raster.bands.contains { $0.colour == .alpha }
      type = raster.bands[0].type
    }

    var knowsNothing: Bool { hasAlpha || !nodata.contains(nil) }
  }

  /// - Parameter paths: the uppermost first. They have the same number and types of bands.
  public init(paths: [String]) throws(GeospatialError) {
    guard !paths.isEmpty else { throw GeospatialError(.sourceEmpty, "A mosaic needs a raster.") }
    var scenes: [Scene] = []
    for path in paths { scenes.append(Scene(try RasterDataset(path: path))) }
    self.scenes = scenes
    let first = scenes[0]
    var moved: [String] = []
    // GDAL lays together what lies in one system, upright, and has one value for nothing; the rest is laid out so first. So is what
    // gets alpha in 16 bits: laying together adds it in bytes, and overviews are of one type.
    let needsAlpha = !first.knowsNothing && first.type == .uint16
    if first.isRotated || needsAlpha || scenes.contains(where: { $0 != first }) {
      // Where all have alpha, or one value for nothing, it stays.
      let stays = first.knowsNothing && scenes.allSatisfy { $0.nodata == first.nodata && $0.hasAlpha == first.hasAlpha }
      let words = stays ? [] : CloudOptimizedGeoTIFF.nothing(first.type)
      do {
        for path in paths { moved.append(try Self.move(path, to: first.wkt, words)) }
      } catch {
        for path in moved { VSIUnlink(path) }
        throw error
      }
    }
    self.moved = moved
    self.paths = moved.isEmpty ? paths : moved
    (extent, pixel) = try Self.layout(self.paths)
    width = Int(clamping: Int64(((extent[2] - extent[0]) / pixel.width).rounded()))
    height = Int(clamping: Int64(((extent[3] - extent[1]) / pixel.height).rounded()))
  }

  deinit { for path in moved { VSIUnlink(path) } }

  /// A raster as it lies in a reference system, computed when it is read. Answers where that is described.
  private static func move(_ path: String, to wkt: String, _ nothing: [String]) throws(GeospatialError) -> String {
    let name = "/vsimem/mosaic\(path.replacing("/", with: "_")).vrt"
    let words = StringList(["-of", "VRT", "-t_srs", wkt, "-r", "near"] + nothing)
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

  /// The box around all, and the finest pixel: at the coarsest resolution, since at the finest there may be more pixels than GDAL can
  /// count (a picture of a town in one of the world).
  private static func layout(
    _ paths: [String]
  ) throws(GeospatialError) -> (extent: [Double], pixel: (width: Double, height: Double)) {
    let whole = try build(paths, ["-resolution", "lowest"])
    defer { GDALClose(whole) }
    let t = transform(of: whole)
    let (columns, rows) = (Double(GDALGetRasterXSize(whole)), Double(GDALGetRasterYSize(whole)))
    var pixel = (width: abs(t[1]), height: abs(t[5]))
    for path in paths {
      let opened = ErrorCapture.during { _ in GDALOpenEx(path, UInt32(GDAL_OF_RASTER), nil, nil, nil) }
      guard let opened else { throw GeospatialError(.readError, "A scene of the mosaic cannot be opened again.") }
      let own = transform(of: opened)
      GDALClose(opened)
      pixel = (min(pixel.width, abs(own[1])), min(pixel.height, abs(own[5])))
    }
    return ([t[0], t[3] + rows * t[5], t[0] + columns * t[1], t[3]], pixel)
  }

  private static func transform(of dataset: GDALDatasetH) -> [Double] {
    var values = [Double](repeating: 0, count: 6)
    GDALGetGeoTransform(dataset, &values)
    return values
  }

  /// All of it on at most `side` pixels a side, computed when it is read.
  public func smaller(side: Int) throws(GeospatialError) -> RasterDataset {
    let factor = max(1, Double(max(width, height)) / Double(side))
    var words = ["-resolution", "user", "-tr", "\(pixel.width * factor)", "\(pixel.height * factor)", "-te"]
    words += extent.map { "\($0)" } + ["-r", "average"]
    // Where no scene lies is nothing, not black.
    if moved.isEmpty, !scenes[0].knowsNothing {
      words += CloudOptimizedGeoTIFF.nothing(scenes[0].type).map {
        $0.replacing("-dstalpha", with: "-addalpha").replacing("-dstnodata", with: "-vrtnodata")
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
