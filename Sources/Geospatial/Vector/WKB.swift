/// Small pieces of well-known binary: little-endian, two dimensions.
enum WKB {
  /// A multi-geometry of `parts`, without SRID.
  static func multi(_ family: GeometryFamily, parts: [[UInt8]]) -> [UInt8] {
    var wkb: [UInt8] = [1]
    append(family.multiCode, to: &wkb)
    append(UInt32(parts.count), to: &wkb)
    for part in parts { wkb += part }
    return wkb
  }

  /// A point, line or polygon out of coordinate rings (x, y alternating); lines and points have one.
  static func single(_ family: GeometryFamily, rings: [[Double]]) -> [UInt8] {
    var wkb: [UInt8] = [1]
    append(family.singleCode, to: &wkb)
    if family == .polygons { append(UInt32(rings.count), to: &wkb) }
    for ring in rings {
      if family != .points { append(UInt32(ring.count / 2), to: &wkb) }
      ring.withUnsafeBytes { wkb.append(contentsOf: $0) }
    }
    return wkb
  }

  /// Takes parts (each little-endian 2D WKB of the family) apart into coordinate rings. Nil where they are malformed.
  static func rings(of parts: UnsafeRawBufferPointer, count: Int, family: GeometryFamily) -> [[[Double]]]? {
    var result: [[[Double]]] = []
    var at = 0
    func integer() -> Int? {
      guard at + 4 <= parts.count else { return nil }
      defer { at += 4 }
      return Int(parts.loadUnaligned(fromByteOffset: at, as: UInt32.self))
    }
    func coordinates(_ n: Int) -> [Double]? {
      guard n >= 0, at + 16 * n <= parts.count else { return nil }
      defer { at += 16 * n }
      return (0..<(2 * n)).map { parts.loadUnaligned(fromByteOffset: at + 8 * $0, as: Double.self) }
    }
    for _ in 0..<count {
      guard at + 5 <= parts.count else { return nil }
      at += 5
      var ringCount = 1
      if family == .polygons {
        guard let n = integer() else { return nil }
        ringCount = n
      }
      var rings: [[Double]] = []
      for _ in 0..<ringCount {
        var n = 1
        if family != .points {
          guard let points = integer() else { return nil }
          n = points
        }
        guard let ring = coordinates(n) else { return nil }
        rings.append(ring)
      }
      result.append(rings)
    }
    return result
  }

  /// Moves every longitude of one part that GEOS wrote.
  static func shiftLongitudes(of wkb: inout [UInt8], by shift: Double) {
    guard wkb.count >= 5 else { return }
    wkb.withUnsafeMutableBytes { bytes in
      let code = bytes.loadUnaligned(fromByteOffset: 1, as: UInt32.self)
      var at = 5
      func shiftPoints(_ n: Int) {
        for _ in 0..<n where at + 16 <= bytes.count {
          let x = bytes.loadUnaligned(fromByteOffset: at, as: Double.self)
          bytes.storeBytes(of: x + shift, toByteOffset: at, as: Double.self)
          at += 16
        }
      }
      func integer() -> Int {
        guard at + 4 <= bytes.count else { return 0 }
        defer { at += 4 }
        return Int(bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self))
      }
      switch code {
      case 1: shiftPoints(1)
      case 2: shiftPoints(integer())
      default: for _ in 0..<integer() { shiftPoints(integer()) }
      }
    }
  }

  private static func append(_ value: UInt32, to wkb: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { wkb.append(contentsOf: $0) }
  }
}
