internal import Glibc

/// One pass over a geometry in WKB: its box, and what about it needs a closer look.
struct WKBInspector {
  /// What needs a closer look.
  struct Attention: OptionSet {
    let rawValue: UInt8
    /// A coordinate that is not a finite number.
    static let notFinite = Attention(rawValue: 1)
    /// Latitude beyond ±90 or longitude beyond ±540 degrees.
    static let outOfRange = Attention(rawValue: 2)
    /// Longitude beyond ±180, or neighbours so far apart that the line crosses the antimeridian.
    static let antimeridian = Attention(rawValue: 4)
    /// Not proven valid.
    static let validity = Attention(rawValue: 8)
    /// No coordinates in some part.
    static let emptyPart = Attention(rawValue: 16)
    /// The bytes are not WKB of the family.
    static let malformed = Attention(rawValue: 32)
  }

  /// Degrees that rounding in a transformation may add.
  static let tolerance = 1e-6

  /// See `TransformationToWGS84.antimeridianJump`.
  let antimeridianJump: Double
  private(set) var box = BoundingBox()
  private var partBoxes: [BoundingBox] = []
  private var ring = SimpleRing()
  private var points: UnsafeMutablePointer<Double>
  private var capacity = 1_024

  init(antimeridianJump: Double) {
    self.antimeridianJump = antimeridianJump
    points = UnsafeMutablePointer.allocate(capacity: 2 * capacity)
  }

  /// Frees the scratch memory; the inspector is not usable afterwards.
  func deallocate() { points.deallocate() }

  /// Looks at `count` parts of a multi-geometry, each in little-endian 2D WKB, one behind the other in `bytes`.
  mutating func inspect(_ bytes: UnsafeRawBufferPointer, count: Int, family: GeometryFamily) -> Attention {
    box = BoundingBox()
    partBoxes.removeAll(keepingCapacity: true)
    var attention: Attention = []
    var at = 0
    for _ in 0..<count {
      guard at + 5 <= bytes.count, bytes[at] == 1,
        bytes.loadUnaligned(fromByteOffset: at + 1, as: UInt32.self) == family.singleCode
      else { return [.malformed] }
      at += 5
      let before = box
      box = BoundingBox()
      switch family {
      case .points:
        guard at + 16 <= bytes.count else { return [.malformed] }
        attention.formUnion(look(bytes.baseAddress! + at, points: 1))
        at += 16
      case .lines:
        guard let n = Self.count(bytes, at), at + 4 + 16 * n <= bytes.count else { return [.malformed] }
        if n == 0 {
          attention.insert(.emptyPart)
        } else {
          attention.formUnion(lookAtLine(bytes.baseAddress! + at + 4, n))
        }
        at += 4 + 16 * n
      case .polygons:
        guard let rings = Self.count(bytes, at) else { return [.malformed] }
        at += 4
        if rings == 0 { attention.insert(.emptyPart) }
        if rings > 1 { attention.insert(.validity) }
        for index in 0..<rings {
          guard let n = Self.count(bytes, at), at + 4 + 16 * n <= bytes.count else { return [.malformed] }
          if n == 0 {
            attention.insert(index == 0 ? .emptyPart : .validity)
          } else {
            attention.formUnion(look(bytes.baseAddress! + at + 4, points: n))
            if !attention.contains(.validity), !ring.isSurelySimple(points, count: n) { attention.insert(.validity) }
          }
          at += 4 + 16 * n
        }
        if count > 1 { partBoxes.append(box) }
      }
      box.add(before)
    }
    guard at == bytes.count else { return [.malformed] }
    if box.minX < -180 - Self.tolerance || box.maxX > 180 + Self.tolerance { attention.insert(.antimeridian) }
    if box.minX < -540 || box.maxX > 540 || box.minY < -90 - Self.tolerance || box.maxY > 90 + Self.tolerance {
      attention.insert(.outOfRange)
    }
    if count > 1, family == .polygons, !attention.contains(.validity), !partsSurelyApart() {
      attention.insert(.validity)
    }
    return attention
  }

  @inline(__always)
  private static func count(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> Int? {
    guard at + 4 <= bytes.count else { return nil }
    return Int(bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self))
  }

  /// Copies `n` points into aligned scratch and takes their box.
  @inline(__always)
  private mutating func look(_ start: UnsafeRawPointer, points n: Int) -> Attention {
    if n > capacity {
      points.deallocate()
      capacity = n + n / 2
      points = UnsafeMutablePointer.allocate(capacity: 2 * capacity)
    }
    memcpy(points, start, 16 * n)
    var attention: Attention = []
    var finite = 0.0
    var previous = points[0]
    var i = 0
    while i < n {
      let x = points[2 * i]
      let y = points[2 * i + 1]
      finite += x * 0 + y * 0  // 0, or NaN once a coordinate is infinite or NaN.
      box.add(x, y)
      if (x - previous).magnitude > antimeridianJump && !(x.magnitude == 180 && previous.magnitude == 180) {
        attention.insert(.antimeridian)
      }
      previous = x
      i += 1
    }
    if finite != 0 || finite.isNaN { attention.insert(.notFinite) }
    return attention
  }

  /// A line needs two different points.
  private mutating func lookAtLine(_ start: UnsafeRawPointer, _ n: Int) -> Attention {
    var attention = look(start, points: n)
    var different = false
    for i in 1..<max(n, 2) where i < n && (points[2 * i] != points[0] || points[2 * i + 1] != points[1]) {
      different = true
      break
    }
    if !different { attention.insert(.validity) }
    return attention
  }

  /// Boxes of parts that do not even touch: then the parts cannot overlap. Many parts are left to GEOS.
  private func partsSurelyApart() -> Bool {
    guard partBoxes.count <= 64 else { return false }
    for i in partBoxes.indices {
      let a = partBoxes[i]
      for j in partBoxes.indices.dropFirst(i + 1) {
        let b = partBoxes[j]
        if !(a.maxX < b.minX || b.maxX < a.minX || a.maxY < b.minY || b.maxY < a.minY) { return false }
      }
    }
    return true
  }
}
