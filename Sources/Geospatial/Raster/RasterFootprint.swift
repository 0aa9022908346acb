internal import CGDAL

/// Where a raster lies on the globe.
public struct RasterFootprint: Sendable, Equatable {
  /// west, south, east, north in degrees, EPSG:4326. West is greater than east where the raster crosses the antimeridian.
  public var bbox: [Double]
  /// Outlines as closed rings of [longitude, latitude]; two where the raster crosses the antimeridian.
  public var polygons: [[[Double]]]
}

extension RasterDataset {
  /// Points along each side of the outline: straight lines of one system are curves in another.
  private static let pointsPerSide = 21

  /// Transforms the outline to EPSG:4326.
  public func footprint() throws(GeospatialError) -> RasterFootprint {
    let transformation = try TransformationToWGS84(from: crs, origin: crsOrigin)
    let (w, h) = (Double(width), Double(height))
    let corners = [(0.0, 0.0), (w, 0), (w, h), (0, h)].map { transform.position(pixel: $0.0, line: $0.1) }
    guard let handle = transformation.handle else { return try Self.geographic(corners) }
    let latitudes = corners.map(\.y)
    if crs.isGeographic, abs(transform.b) * w >= 360 - 1e-9, !transform.isRotated {
      return Self.whole(max(latitudes.min()!, -90), min(latitudes.max()!, 90))
    }
    let outline = Self.outline(corners, handle)
    // Where edges lie off the globe, what lies on it is inside.
    let isWhole = outline.count == Self.pointsPerSide * corners.count + 1
    let around = isWhole ? Self.bounds(of: corners, handle) : nil
    guard let box = around ?? inside(x: 0, y: 0, width: w, height: h, handle) else {
      throw GeospatialError(
        .coordinatesOutOfRange, "The raster lies where its reference system has no place on the globe.")
    }
    guard isWhole, box[0] <= box[2], !Self.goesRound(outline) else {
      return RasterFootprint(bbox: box, polygons: Self.boxes(box))
    }
    return RasterFootprint(bbox: box, polygons: [outline])
  }

  /// Longitude and latitude as they are: only what lies beyond 180 degrees is brought back.
  private static func geographic(_ corners: [(x: Double, y: Double)]) throws(GeospatialError) -> RasterFootprint {
    let (xs, ys) = (corners.map(\.x), corners.map(\.y))
    let (west, east, south, north) = (xs.min()!, xs.max()!, ys.min()!, ys.max()!)
    // Half a pixel beyond a pole is how grids of points at the poles are written.
    guard west >= -540, east <= 540, south >= -91, north <= 91 else {
      throw GeospatialError(
        .coordinatesOutOfRange,
        "The raster lies at longitudes \(west) to \(east), latitudes \(south) to \(north), which is not on the globe.")
    }
    let (low, high) = (max(south, -90), min(north, 90))
    if east - west >= 360 { return whole(low, high) }
    func home(_ longitude: Double) -> Double {
      longitude > 180 ? longitude - 360 : longitude < -180 ? longitude + 360 : longitude
    }
    guard west >= -180, east <= 180 else {
      // All of it beyond the line, or only a part.
      let box = [home(west) == 180 ? -180 : home(west), low, home(east) == -180 ? 180 : home(east), high]
      return RasterFootprint(bbox: box, polygons: boxes(box))
    }
    let isBox = corners.allSatisfy { ($0.x == west || $0.x == east) && ($0.y == south || $0.y == north) }
    guard isBox else {
      let ring = corners.map { [$0.x, max(-90, min(90, $0.y))] }
      return RasterFootprint(bbox: [west, low, east, high], polygons: [closed(counterclockwise(ring))])
    }
    let box = [west, low, east, high]
    return RasterFootprint(bbox: box, polygons: boxes(box))
  }

  private static func whole(_ south: Double, _ north: Double) -> RasterFootprint {
    let box = [-180, south, 180, north]
    return RasterFootprint(bbox: box, polygons: boxes(box))
  }

  /// A box as rings: two where it crosses the antimeridian.
  private static func boxes(_ box: [Double]) -> [[[Double]]] {
    func ring(_ west: Double, _ east: Double) -> [[Double]] {
      [[west, box[1]], [east, box[1]], [east, box[3]], [west, box[3]], [west, box[1]]]
    }
    guard box[0] > box[2] else { return [ring(box[0], box[2])] }
    return [ring(box[0], 180), ring(-180, box[2])].filter { $0[0][0] < $0[1][0] }
  }

  /// The box around the edges; nil: they have no place on the globe.
  private static func bounds(
    of corners: [(x: Double, y: Double)], _ handle: OGRCoordinateTransformationH
  ) -> [Double]? {
    let (xs, ys) = (corners.map(\.x), corners.map(\.y))
    var box = [0.0, 0, 0, 0]
    let isDone = ErrorCapture.during { _ in
      box.withUnsafeMutableBufferPointer { box in
        OCTTransformBounds(
          handle, xs.min()!, ys.min()!, xs.max()!, ys.max()!, &box[0], &box[1], &box[2], &box[3],
          Int32(pointsPerSide))
      }
    }
    return isDone != 0 && box.allSatisfy(\.isFinite) && box[1] < box[3] && box[0] != box[2] ? box : nil
  }

  /// The outline in degrees, counterclockwise and closed; without points that have no place.
  private static func outline(
    _ corners: [(x: Double, y: Double)], _ handle: OGRCoordinateTransformationH
  ) -> [[Double]] {
    var ring: [[Double]] = []
    for index in corners.indices {
      let (from, to) = (corners[index], corners[(index + 1) % corners.count])
      for step in 0..<pointsPerSide {
        let share = Double(step) / Double(pointsPerSide)
        var x = from.x + (to.x - from.x) * share
        var y = from.y + (to.y - from.y) * share
        let isDone = ErrorCapture.during { _ in OCTTransform(handle, 1, &x, &y, nil) }
        if isDone != 0, x.isFinite, y.isFinite { ring.append([x, y]) }
      }
    }
    return ring.isEmpty ? [] : closed(counterclockwise(ring))
  }

  /// RFC 7946, 3.1.6: exterior rings are counterclockwise.
  private static func counterclockwise(_ ring: [[Double]]) -> [[Double]] {
    var area = 0.0
    for index in ring.indices {
      let (a, b) = (ring[index], ring[(index + 1) % ring.count])
      area += a[0] * b[1] - b[0] * a[1]
    }
    return area < 0 ? ring.reversed() : ring
  }

  private static func closed(_ ring: [[Double]]) -> [[Double]] { ring + [ring[0]] }

  /// Jumps over half the globe: around a pole, or over the antimeridian.
  private static func goesRound(_ ring: [[Double]]) -> Bool {
    zip(ring, ring.dropFirst()).contains { abs($0[0] - $1[0]) > 180 }
  }
}

/// A raster's reference system, as catalogues name it.
public struct RasterReference: Sendable, Equatable {
  /// `EPSG:25832`; nil: it has no code.
  public var code: String?
  public var name: String
  /// WKT 2.
  public var wkt: String
}

extension RasterDataset {
  /// The file's reference system, or the request's.
  public var reference: RasterReference {
    let label = crs.label
    var text: UnsafeMutablePointer<CChar>?
    let options = StringList(["FORMAT=WKT2_2019"])
    _ = options.withConstPointer { OSRExportToWktEx(crs.handle, &text, $0) }
    defer { VSIFree(text) }
    let parts = label.split(separator: ":")
    let isCode = parts.count == 2 && label.allSatisfy { $0.isASCII && !$0.isWhitespace }
    return RasterReference(
      code: isCode ? label : nil, name: crs.name, wkt: text.map { String(cString: $0) } ?? "")
  }

  /// What messages call it.
  public var crsLabel: String { crs.label }

  /// Sizes of the overviews of the first band, the largest first.
  public var overviewSizes: [(width: Int, height: Int)] {
    guard let band = GDALGetRasterBand(handle, 1) else { return [] }
    return (0..<GDALGetOverviewCount(band)).compactMap { index in
      GDALGetOverview(band, index).map {
        (Int(GDALGetRasterBandXSize($0)), Int(GDALGetRasterBandYSize($0)))
      }
    }
  }
}
