/// Splits geometries at the antimeridian: each ring or line is drawn continuously over ±180 degrees first, then cut into
/// globe-wide tiles whose parts are moved back.
struct AntimeridianSplit {
  let geos: GEOSContext
  /// See `TransformationToWGS84.antimeridianJump`.
  let jump: Double

  /// The parts after the split, nil where GEOS cannot make sense of the geometry.
  func split(_ parts: [[[Double]]], family: GeometryFamily) -> [[UInt8]]? {
    var result: [[UInt8]] = []
    for rings in parts {
      switch family {
      case .points:
        guard let point = rings.first, point.count == 2 else { continue }
        result.append(WKB.single(.points, rings: [[Self.wrapped(point[0]), point[1]]]))
      case .lines:
        guard let line = rings.first else { continue }
        guard let cut = cut(WKB.single(.lines, rings: [unwrapped(line).points]), .lines) else { return nil }
        result += cut
      case .polygons:
        guard let cut = cut(WKB.single(.polygons, rings: unwrappedPolygon(rings)), .polygons) else { return nil }
        result += cut
      }
    }
    return result
  }

  /// A longitude within ±180.
  static func wrapped(_ x: Double) -> Double {
    x >= -180 && x <= 180 ? x : x - 360 * ((x + 180) / 360).rounded(.down)
  }

  /// The line with every crossing drawn on, and by how much its end is moved against its beginning.
  private func unwrapped(_ line: [Double]) -> (points: [Double], turn: Double) {
    var points = line
    var offset = 0.0
    for i in 1..<max(1, line.count / 2) {
      let from = line[2 * i - 2]
      let to = line[2 * i]
      // A stroke from exactly -180 to exactly 180 is the edge of the map (Antarctica), not a crossing.
      if abs(to - from) > jump && !(abs(to) == 180 && abs(from) == 180) { offset += to > from ? -360 : 360 }
      points[2 * i] = to + offset
    }
    return (points, offset)
  }

  private func unwrappedPolygon(_ rings: [[Double]]) -> [[Double]] {
    var result: [[Double]] = []
    var middle = 0.0
    for (index, ring) in rings.enumerated() where ring.count >= 2 {
      var (points, turn) = unwrapped(ring)
      if turn != 0 {
        // The ring goes once around the pole: close it along the pole its points are nearer to.
        let latitudes = stride(from: 1, to: ring.count, by: 2).reduce(0) { $0 + ring[$1] }
        let pole = latitudes >= 0 ? 90.0 : -90.0
        points += [points[points.count - 2], pole, points[0], pole, points[0], points[1]]
      }
      let center = Self.middle(points)
      if index == 0 {
        middle = center
      } else {
        // A hole lies where its shell lies.
        let shift = 360 * ((middle - center) / 360).rounded()
        if shift != 0 { for i in stride(from: 0, to: points.count, by: 2) { points[i] += shift } }
      }
      result.append(points)
    }
    return result
  }

  private static func middle(_ points: [Double]) -> Double {
    var low = Double.infinity
    var high = -Double.infinity
    for i in stride(from: 0, to: points.count, by: 2) {
      low = min(low, points[i])
      high = max(high, points[i])
    }
    return (low + high) / 2
  }

  private func cut(_ wkb: [UInt8], _ family: GeometryFamily) -> [[UInt8]]? {
    guard var geometry = geos.read(wkb) else { return nil }
    if family == .polygons && !geos.isValid(geometry) {
      guard let valid = geos.makeValid(geometry) else { return nil }
      geometry = valid
    }
    var result: [[UInt8]] = []
    // ±540 degrees is the most a coordinate may have; unwrapping adds one turn.
    for tile in -2...2 {
      let west = -180 + 360 * Double(tile)
      guard let window = geos.rectangle(minX: west, minY: -91, maxX: west + 360, maxY: 91),
        let piece = geos.intersection(geometry, window)
      else { return nil }
      result += geos.parts(of: piece, family: family, shiftedBy: -360 * Double(tile))
    }
    return result
  }
}
