internal import CGDAL

/// What a raster is labelled with when it is written: a reference system that only the request knows, longitudes that tile
/// servers understand.
extension RasterDataset {
  /// Longitudes go beyond ±180 degrees by more than half a pixel of a grid of points. No tile lies there: they are counted from
  /// the antimeridian instead, which moves no pixel.
  public var goesBeyondAntimeridian: Bool { longitudeShift != nil }

  var needsLabels: Bool { crsOrigin == .request || goesBeyondAntimeridian }

  /// Degrees to add.
  private var longitudeShift: Double? {
    guard crs.isGeographic, crs.isFromGreenwich, !transform.isRotated else { return nil }
    let ends = [transform.a, transform.a + transform.b * Double(width)]
    if ends.max()! > 180 + transform.pixelWidth { return -180 }
    return ends.min()! < -180 - transform.pixelWidth ? 180 : nil
  }

  /// The same pixels under other labels, as a virtual dataset; nil where GDAL cannot. To be closed before this one.
  func labelled() -> GDALDatasetH? {
    let words = StringList(["-of", "VRT"])
    guard let options = GDALTranslateOptionsNew(words.pointer, nil) else { return nil }
    defer { GDALTranslateOptionsFree(options) }
    var misuse: Int32 = 0
    guard let made = GDALTranslate("", handle, options, &misuse) else { return nil }
    var target = crs
    if let shift = longitudeShift {
      var numbers = [transform.a + shift, transform.b, transform.c, transform.d, transform.e, transform.f]
      guard let other = crs.fromAntimeridian(), GDALSetGeoTransform(made, &numbers) == CE_None else {
        GDALClose(made)
        return nil
      }
      target = other
    }
    guard GDALSetSpatialRef(made, target.handle) == CE_None else {
      GDALClose(made)
      return nil
    }
    return made
  }
}
