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
    result.bytesPerPixel = raster.bands.reduce(0) { $0 + Int64($1.type.bytes) }
    return result
  }
}
