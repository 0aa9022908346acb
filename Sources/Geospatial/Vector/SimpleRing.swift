internal import Glibc

/// A quick proof that a ring is simple. It answers "surely simple" or "do not know", never wrongly the first; what it does
/// not know goes to GEOS. Most rings of real data are proven here, at a small part of the price.
///
/// Orientation signs are trusted only beyond the rounding error of their own computation (Shewchuk 1997, bound A:
/// |det| > (3 + 16ε)ε · (|left| + |right|)), so no exact arithmetic is needed.
struct SimpleRing {
  private static let errorBound = 3.3306690738754716e-16
  /// Beyond this many pairs of segments GEOS' indexed test is the cheaper one.
  private static let pairsPerSegment = 48

  private var segments: [Segment] = []

  private struct Segment {
    var minX: Double
    var maxX: Double
    var minY: Double
    var maxY: Double
    var index: Int
  }

  /// The sign of the turn a → b → c, 0 where rounding could have made it.
  @inline(__always)
  private static func turn(
    _ ax: Double, _ ay: Double, _ bx: Double, _ by: Double, _ cx: Double, _ cy: Double
  ) -> Int {
    let left = (bx - ax) * (cy - ay)
    let right = (by - ay) * (cx - ax)
    let det = left - right
    let bound = errorBound * (left.magnitude + right.magnitude)
    return det > bound ? 1 : (det < -bound ? -1 : 0)
  }

  /// Whether the closed ring of `count` points (x, y alternating, last equal to first) surely is simple and encloses area.
  mutating func isSurelySimple(_ points: UnsafePointer<Double>, count: Int) -> Bool {
    guard count >= 4, points[0] == points[2 * (count - 1)], points[1] == points[2 * (count - 1) + 1] else {
      return false
    }
    let segmentCount = count - 1
    // Neighbours share a point: they may not fold back onto each other.
    for i in 0..<segmentCount {
      let a = points + 2 * i
      let b = a + 2
      let c = points + 2 * (i + 2 <= segmentCount ? i + 2 : 1)
      if b[0] == a[0] && b[1] == a[1] { return false }
      if Self.turn(a[0], a[1], b[0], b[1], c[0], c[1]) == 0 {
        // Straight on is fine: surely so when the angle at b is obtuse.
        guard (a[0] - b[0]) * (c[0] - b[0]) + (a[1] - b[1]) * (c[1] - b[1]) < 0 else { return false }
      }
    }
    return segmentCount <= 40 ? allPairs(points, segmentCount) : sweep(points, segmentCount)
  }

  private func allPairs(_ points: UnsafePointer<Double>, _ count: Int) -> Bool {
    for i in 0..<(count - 2) {
      let a = points + 2 * i
      let minX = min(a[0], a[2])
      let maxX = max(a[0], a[2])
      let minY = min(a[1], a[3])
      let maxY = max(a[1], a[3])
      let last = i == 0 ? count - 1 : count  // The first and the last segment are neighbours.
      var j = i + 2
      while j < last {
        let c = points + 2 * j
        let apart =
          (c[0] < minX && c[2] < minX) || (c[0] > maxX && c[2] > maxX) || (c[1] < minY && c[3] < minY)
          || (c[1] > maxY && c[3] > maxY)
        if !apart && !Self.surelyApart(a, c) { return false }
        j += 1
      }
    }
    return true
  }

  private mutating func sweep(_ points: UnsafePointer<Double>, _ count: Int) -> Bool {
    segments.removeAll(keepingCapacity: true)
    for i in 0..<count {
      let a = points + 2 * i
      segments.append(
        Segment(
          minX: min(a[0], a[2]), maxX: max(a[0], a[2]), minY: min(a[1], a[3]), maxY: max(a[1], a[3]), index: i))
    }
    segments.sort { $0.minX < $1.minX }
    var budget = count * Self.pairsPerSegment
    return segments.withUnsafeBufferPointer { sorted in
      for i in 0..<count {
        let s = sorted[i]
        var j = i + 1
        while j < count && sorted[j].minX <= s.maxX {
          let t = sorted[j]
          j += 1
          budget -= 1
          if budget == 0 { return false }
          if t.maxY < s.minY || t.minY > s.maxY { continue }
          let gap = s.index > t.index ? s.index - t.index : t.index - s.index
          if gap == 1 || gap == count - 1 { continue }
          if !Self.surelyApart(points + 2 * s.index, points + 2 * t.index) { return false }
        }
      }
      return true
    }
  }

  /// Two segments that surely share no point: the ends of one lie strictly on one side of the other.
  @inline(__always)
  private static func surelyApart(_ a: UnsafePointer<Double>, _ c: UnsafePointer<Double>) -> Bool {
    let first = turn(a[0], a[1], a[2], a[3], c[0], c[1])
    if first != 0 && first == turn(a[0], a[1], a[2], a[3], c[2], c[3]) { return true }
    let third = turn(c[0], c[1], c[2], c[3], a[0], a[1])
    return third != 0 && third == turn(c[0], c[1], c[2], c[3], a[2], a[3])
  }
}
