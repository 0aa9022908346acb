internal import FramedCore
internal import Synchronization

/// What is counted of one method: calls by how they ended, and how long unary ones took. Written by every event loop, read when
/// somebody asks.
final class MethodCounters: Sendable {
  struct Counts: Sendable {
    /// Handlers that have begun and not ended.
    var inFlight = 0
    /// By status code, 0 … 16.
    var ended = [UInt64](repeating: 0, count: 17)
    /// Unary calls by duration; the last is everything longer than the last bound.
    var buckets = [UInt64](repeating: 0, count: MethodCounters.bounds.count + 1)
    /// Of all unary calls.
    var nanoseconds: UInt64 = 0
  }

  /// Upper bounds of the buckets, in seconds.
  static let bounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
  private static let nanosecondBounds = bounds.map { UInt64($0 * 1e9) }

  private let counts = Mutex(Counts())

  var current: Counts { counts.withLock { $0 } }

  func started() { counts.withLock { $0.inFlight += 1 } }

  /// - Parameter duration: nil for streams, whose length says nothing of the server.
  func ended(_ code: StatusCode, after duration: Nanoseconds?, wasStarted: Bool = false) {
    counts.withLock { counts in
      if wasStarted { counts.inFlight -= 1 }
      counts.ended[min(max(0, Int(code.rawValue)), 16)] += 1
      guard let duration else { return }
      counts.nanoseconds += duration
      counts.buckets[Self.nanosecondBounds.firstIndex { duration <= $0 } ?? Self.bounds.count] += 1
    }
  }
}
