internal import CGDAL

/// Rasters whose edges lie off the globe, and whose middle does not: pictures of a whole hemisphere from far out (geostationary), and
/// worlds that are no rectangle (Mollweide, Goode).
extension RasterDataset {
  /// Points across and down that are looked at, and how often a step between two is halved where one lies on the globe.
  private static let points = 65
  private static let halvings = 12
  /// Degrees without a point that may lie between two of a raster that goes all around.
  private static let widestGap = 30.0

  /// Whether any of a part's pixels has a place on the globe.
  public func isOnGlobe(x: Int, y: Int, width: Int, height: Int) throws(GeospatialError) -> Bool {
    guard let handle = try TransformationToWGS84(from: crs, origin: crsOrigin).handle else { return true }
    // Nearly always its middle or a corner has one.
    let (left, top, right, bottom) = (Double(x), Double(y), Double(x + width), Double(y + height))
    let few = [((left + right) / 2, (top + bottom) / 2), (left, top), (right, top), (left, bottom), (right, bottom)]
    let isQuick = ErrorCapture.during { _ in
      few.contains { self.place(pixel: $0.0, line: $0.1, handle) != nil }
    }
    return isQuick || inside(x: left, y: top, width: Double(width), height: Double(height), handle) != nil
  }

  /// The box around what has a place, of a part in pixels; nil: nothing has one.
  func inside(
    x: Double, y: Double, width: Double, height: Double, _ handle: OGRCoordinateTransformationH
  ) -> [Double]? {
    ErrorCapture.during { _ in
      Self.box(around: Self.places { place(pixel: x + $0 * width, line: y + $1 * height, handle) })
    }
  }

  private func place(pixel: Double, line: Double, _ handle: OGRCoordinateTransformationH) -> Place? {
    var (x, y) = transform.position(pixel: pixel, line: line)
    guard OCTTransform(handle, 1, &x, &y, nil) != 0, x.isFinite, y.isFinite, abs(x) <= 180.001, abs(y) <= 90.001
    else { return nil }
    return Place(longitude: x, latitude: y)
  }

  private struct Place {
    var longitude: Double
    var latitude: Double
  }

  /// Points of a grid that have a place, and where each row and column of it ends.
  private static func places(_ place: (Double, Double) -> Place?) -> [Place] {
    var found: [Place] = []
    let last = Double(points - 1)
    for line in 0..<points {
      let share = Double(line) / last
      found += scan { place($0, share) } + scan { place(share, $0) }
    }
    return found
  }

  /// Places along a line from 0 to 1, with those next to where it leaves the globe.
  private static func scan(_ place: (Double) -> Place?) -> [Place] {
    var found: [Place] = []
    var before: Place?
    for point in 0..<points {
      let share = Double(point) / Double(points - 1)
      let here = place(share)
      if point > 0, (here == nil) != (before == nil) {
        let step = 1 / Double(points - 1)
        var (on, off) = here == nil ? (share - step, share) : (share, share - step)
        for _ in 0..<halvings {
          let middle = (on + off) / 2
          if let between = place(middle) {
            found.append(between)
            on = middle
          } else {
            off = middle
          }
        }
      }
      if let here { found.append(here) }
      before = here
    }
    return found
  }

  /// West, south, east, north: all around, or from behind the widest gap to before it.
  private static func box(around places: [Place]) -> [Double]? {
    guard let low = places.map(\.latitude).min(), let high = places.map(\.latitude).max(), low < high else {
      return nil
    }
    let longitudes = places.map(\.longitude).sorted()
    var gap = (width: longitudes[0] + 360 - longitudes[longitudes.count - 1], after: 0)
    for index in 1..<longitudes.count where longitudes[index] - longitudes[index - 1] > gap.width {
      gap = (longitudes[index] - longitudes[index - 1], index)
    }
    let (south, north) = (max(low, -90), min(high, 90))
    guard gap.width > widestGap else { return [-180, south, 180, north] }
    let west = longitudes[gap.after]
    let east = longitudes[gap.after == 0 ? longitudes.count - 1 : gap.after - 1]
    return west == east ? nil : [west, south, east, north]
  }
}
