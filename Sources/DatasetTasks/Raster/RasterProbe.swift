internal import Geospatial
internal import JobTypes

/// What `probe` finds out of a raster: that it can be opened, where it lies, how large it is.
enum RasterProbe {
  static func run(
    _ address: SourceAddress, _ parameters: ProbeParameters, _ context: TaskContext
  ) throws -> ProbeResult {
    let source = try RasterSource(address)
    let raster = try source.open(crs: parameters.crs)
    _ = try raster.footprint()
    let written = try size(raster, parameters.wishes)
    var warnings = WarningTally()
    for remark in raster.remarks { warnings.add(.readerRemark, layer: nil, detail: remark) }
    if raster.crsOrigin == .request {
      warnings.add(.crsFromRequest, layer: nil, detail: "the file is in \(raster.crsLabel), as the request says")
    }
    if raster.goesBeyondAntimeridian {
      warnings.add(.longitudesShifted, layer: nil, detail: "longitudes go beyond 180 degrees")
    }
    context.report(warnings)
    try source.files.requireUnchanged()
    var result = ProbeResult(
      pin: SourcePin(source.files), driver: "GTiff", route: "raster", layers: [], allLayers: [], versions: .current,
      pixels: Int64(raster.width) * Int64(raster.height))
    result.writtenPixels = Int64(written.width) * Int64(written.height)
    result.tiles = try LargeRasterHandler.count(written.width, written.height)
    result.bytesPerPixel = raster.bands.reduce(0) { $0 + Int64($1.type.bytes) }
    return result
  }

  /// Width and height of what is to be written. Throws `OPTION_UNSUITABLE` where what the request asks for cannot be.
  static func size(_ raster: RasterDataset, _ wishes: RasterWishes?) throws -> (width: Int, height: Int) {
    guard let wishes else { return (raster.width, raster.height) }
    let shown = RasterRendering.bands(ofColours: raster.bands.map(\.colour.rawValue))
    if wishes.colormap != nil, shown.count > 1 {
      throw GeospatialError(
        .optionUnsuitable,
        "A colour map is for rasters that are shown by one band; this one is shown by its bands "
          + shown.map { "\($0)" }.joined(separator: ", ") + ".",
        details: ["option": "colormap"])
    }
    let values = raster.bands.filter { $0.colour != .alpha }.count
    guard [0, 1, values, raster.bands.count].contains(wishes.ranges) else {
      throw GeospatialError(
        .optionUnsuitable,
        "The raster has \(values) bands; rescale has \(wishes.ranges) ranges. Give one for each band, or one for all.",
        details: ["option": "rescale"])
    }
    // What kind it is, is known when all of it was read; where its pixels come to lie does not hang on that.
    return try ProcessRasterHandler.format(raster, .continuous, wishes.writing).size(of: raster)
  }
}
