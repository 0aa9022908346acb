internal import CGDAL

/// An open GeoTIFF. Not for use by several threads.
public final class RasterDataset {
  /// A band as its file describes it.
  public struct Band: Sendable, Equatable {
    public var type: PixelType
    public var colour: Colour
    /// The value that stands for nothing; nil: the file names none.
    public var nodata: Double?
    /// Of the values: `m`, `degC`; empty: the file does not say.
    public var unit: String
    public var description: String
    /// Measured = scale × stored + offset; nil: stored as measured.
    public var scale: Double?
    public var offset: Double?
    /// Names of classes, or a colour for each value.
    public var hasClasses: Bool
    /// Pixels read at once.
    public var blockWidth: Int
    public var blockHeight: Int
  }

  /// What a pixel is stored as.
  public enum PixelType: String, Sendable, CaseIterable {
    case uint8, uint16, int16, uint32, int32, uint64, int64, float32, float64

    /// Bytes of one value.
    public var bytes: Int {
      switch self {
      case .uint8: 1
      case .uint16, .int16: 2
      case .uint32, .int32, .float32: 4
      case .uint64, .int64, .float64: 8
      }
    }

    /// Whether its values are whole numbers.
    public var isInteger: Bool { self != .float32 && self != .float64 }

    init?(_ type: GDALDataType) {
      switch type {
      case GDT_Byte: self = .uint8
      case GDT_UInt16: self = .uint16
      case GDT_Int16: self = .int16
      case GDT_UInt32: self = .uint32
      case GDT_Int32: self = .int32
      case GDT_UInt64: self = .uint64
      case GDT_Int64: self = .int64
      case GDT_Float32: self = .float32
      case GDT_Float64: self = .float64
      default: return nil
      }
    }
  }

  /// What a band is shown as.
  public enum Colour: String, Sendable, CaseIterable {
    case undefined, gray, palette, red, green, blue, alpha, other

    init(_ colour: GDALColorInterp) {
      switch colour {
      case GCI_Undefined: self = .undefined
      case GCI_GrayIndex: self = .gray
      case GCI_PaletteIndex: self = .palette
      case GCI_RedBand: self = .red
      case GCI_GreenBand: self = .green
      case GCI_BlueBand: self = .blue
      case GCI_AlphaBand: self = .alpha
      default: self = .other
      }
    }
  }

  /// From pixel and line to the reference system: x = a + b·pixel + c·line, y = d + e·pixel + f·line.
  public struct Transform: Sendable, Equatable {
    public var a: Double
    public var b: Double
    public var c: Double
    public var d: Double
    public var e: Double
    public var f: Double

    /// Rows and columns do not follow the axes.
    public var isRotated: Bool { c != 0 || e != 0 }
    /// Units of the reference system a pixel.
    public var pixelWidth: Double { (b * b + e * e).squareRoot() }
    public var pixelHeight: Double { (c * c + f * f).squareRoot() }

    /// The place of a corner of a pixel.
    public func position(pixel: Double, line: Double) -> (x: Double, y: Double) {
      (a + b * pixel + c * line, d + e * pixel + f * line)
    }
  }

  let handle: GDALDatasetH
  public let width: Int
  public let height: Int
  public let bands: [Band]
  /// Where the pixels lie.
  public let transform: Transform
  let crs: CoordinateReference
  /// Whether file or request says so.
  public let crsOrigin: CRSOrigin
  /// What the reader remarked when it opened the file.
  public let remarks: [String]

  /// GDAL's driver; no other ever sees the file.
  static let driver = "GTiff"
  /// Most bands of a raster.
  public static let maximumBands = 100

  /// Opens a file and finds out where it lies.
  ///
  /// - Parameters:
  ///   - siblings: names of the files beside it that may be read as well; no other is looked for.
  ///   - requestedCRS: what the request says; it must agree with the file where that says something.
  public convenience init(path: String, siblings: [String] = [], requestedCRS: String? = nil) throws(GeospatialError) {
    let (opened, failures, remarks) = ErrorCapture.during { errors in
      (Self.open(path, siblings), errors.takeFailures(), errors.takeRemarks())
    }
    guard let opened else { throw Self.refused(failures) }
    // Opened with complaints: half a source is none.
    guard failures.isEmpty else {
      GDALClose(opened)
      throw Self.refused(failures)
    }
    try self.init(owning: opened, requestedCRS: requestedCRS, remarks: remarks.map(\.message))
  }

  /// Takes over an open dataset.
  init(owning opened: GDALDatasetH, requestedCRS: String? = nil, remarks: [String] = []) throws(GeospatialError) {
    var isOurs = false
    defer { if !isOurs { GDALClose(opened) } }
    self.remarks = remarks
    width = Int(GDALGetRasterXSize(opened))
    height = Int(GDALGetRasterYSize(opened))
    bands = try Self.bands(of: opened)
    // First where the pixels lie: whoever has control points only is not helped by naming a reference system.
    transform = try Self.transform(of: opened)
    (crs, crsOrigin) = try Self.reference(of: opened, requestedCRS)
    handle = opened
    isOurs = true
  }

  deinit { GDALClose(handle) }

  private static func open(_ path: String, _ siblings: [String]) -> GDALDatasetH? {
    let drivers = StringList([driver])
    let name = String(path[(path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex)...])
    // With a list GDAL looks for no file that is not in it: an .ovr or .msk would be opened by any driver at all.
    let beside = StringList([name] + siblings)
    let flags = UInt32(GDAL_OF_RASTER | GDAL_OF_READONLY | GDAL_OF_VERBOSE_ERROR)
    return drivers.withConstPointer { drivers in
      beside.withConstPointer { GDALOpenEx(path, flags, drivers, nil, $0) }
    }
  }

  private static func refused(_ failures: [ErrorCapture.Report]) -> GeospatialError {
    GeospatialError(.sourceCorrupt, "The GeoTIFF cannot be read: \(failures.text(or: "GDAL gives no reason"))")
  }

  private static func bands(of dataset: GDALDatasetH) throws(GeospatialError) -> [Band] {
    let count = Int(GDALGetRasterCount(dataset))
    guard count > 0 else { throw GeospatialError(.sourceEmpty, "The raster has no bands.") }
    guard count <= maximumBands else {
      throw GeospatialError(
        .tooManyBands, "The raster has \(count) bands; \(maximumBands) are allowed.", details: ["bands": "\(count)"])
    }
    var bands: [Band] = []
    for number in 1...count {
      guard let band = GDALGetRasterBand(dataset, Int32(number)) else {
        throw GeospatialError(.sourceCorrupt, "Band \(number) of the raster cannot be opened.")
      }
      guard let type = PixelType(GDALGetRasterDataType(band)) else {
        let name = GDALGetDataTypeName(GDALGetRasterDataType(band)).map { String(cString: $0) } ?? "unknown"
        throw GeospatialError(
          .pixelTypeUnsupported, "Band \(number) holds values of type \(name), which cannot be shown.",
          details: ["band": "\(number)", "type": name])
      }
      guard GDALGetMetadataItem(band, "PIXELTYPE", "IMAGE_STRUCTURE").map({ String(cString: $0) }) != "SIGNEDBYTE"
      else {
        throw GeospatialError(
          .pixelTypeUnsupported,
          "Band \(number) holds signed bytes, which are read as unsigned ones; write it with gdal_translate -ot Int16.",
          details: ["band": "\(number)", "type": "Int8"])
      }
      var hasNodata: Int32 = 0
      let nodata = GDALGetRasterNoDataValue(band, &hasNodata)
      var hasScale: Int32 = 0
      let scale = GDALGetRasterScale(band, &hasScale)
      var hasOffset: Int32 = 0
      let offset = GDALGetRasterOffset(band, &hasOffset)
      var blockWidth: Int32 = 0
      var blockHeight: Int32 = 0
      GDALGetBlockSize(band, &blockWidth, &blockHeight)
      bands.append(
        Band(
          type: type, colour: Colour(GDALGetRasterColorInterpretation(band)), nodata: hasNodata != 0 ? nodata : nil,
          unit: text(GDALGetRasterUnitType(band), most: mostUnit),
          description: text(GDALGetDescription(band), most: mostDescription),
          scale: hasScale != 0 && scale != 1 ? scale : nil, offset: hasOffset != 0 && offset != 0 ? offset : nil,
          hasClasses: GDALGetRasterColorTable(band) != nil || GDALGetRasterCategoryNames(band) != nil,
          blockWidth: Int(blockWidth), blockHeight: Int(blockHeight)))
    }
    return bands
  }

  /// Bytes of a band's texts: they are in every record and every list of it, and a file may hold a book in them.
  private static let mostDescription = 1_024
  private static let mostUnit = 64

  private static func text(_ text: UnsafePointer<CChar>?, most: Int) -> String {
    let whole = text.map { String(cString: $0) } ?? ""
    guard whole.utf8.count > most else { return whole }
    var cut = whole.prefix(most)
    while cut.utf8.count > most - 3 { cut.removeLast() }
    return cut + "…"
  }

  private static func reference(of dataset: GDALDatasetH, _ requested: String?) throws(GeospatialError)
    -> (CoordinateReference, CRSOrigin)
  {
    let own = GDALGetSpatialRef(dataset).flatMap { CoordinateReference(copying: $0) }
    guard let requested else {
      guard let own else {
        throw GeospatialError(
          .crsMissing, "The file does not say in which reference system it is; name it in the request.")
      }
      return (own, .source)
    }
    let wanted = try CoordinateReference(request: requested)
    if let own, !own.isSame(as: wanted) {
      throw GeospatialError(
        .crsConflict, "The file is in \(own.label), the request says \(wanted.label).",
        details: ["file": own.label, "request": wanted.label])
    }
    return (wanted, own == nil ? .request : .source)
  }

  private static func transform(of dataset: GDALDatasetH) throws(GeospatialError) -> Transform {
    var numbers = [Double](repeating: 0, count: 6)
    let isThere = GDALGetGeoTransform(dataset, &numbers) == CE_None
    let found = Transform(
      a: numbers[0], b: numbers[1], c: numbers[2], d: numbers[3], e: numbers[4], f: numbers[5])
    // GDAL's own default, and what writers put there who have none.
    let isIdentity =
      numbers[0] == 0 && numbers[1] == 1 && numbers[2] == 0 && numbers[3] == 0 && numbers[4] == 0
      && abs(numbers[5]) == 1
    if isThere, !isIdentity {
      let area = found.b * found.f - found.c * found.e
      guard numbers.allSatisfy(\.isFinite), area != 0 else {
        throw GeospatialError(.notGeoreferenced, "The file's pixels have no size: its geotransform is degenerate.")
      }
      return found
    }
    guard GDALGetGCPCount(dataset) == 0 else {
      throw GeospatialError(
        .notGeoreferenced,
        "The file has ground control points only; warp it first, for instance with gdalwarp -tps.",
        details: ["ground_control_points": "\(GDALGetGCPCount(dataset))"])
    }
    throw GeospatialError(.notGeoreferenced, "The file does not say where its pixels lie.")
  }
}
