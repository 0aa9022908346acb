internal import Logging

/// When an attempt came how far: says in the log (debug) where the time of a task went.
struct AttemptTimeline: Sendable {
  var claimed: ContinuousClock.Instant
  /// The child was started.
  var spawned: ContinuousClock.Instant?
  /// Its first report came.
  var spoke: ContinuousClock.Instant?
  /// It has ended.
  var exited: ContinuousClock.Instant?

  init(claimed: ContinuousClock.Instant) { self.claimed = claimed }

  /// Microseconds from one point to the next, the last two being when what the child made was taken over and when that was
  /// committed.
  func spans(adopted: ContinuousClock.Instant, completed: ContinuousClock.Instant) -> Logger.Metadata {
    var spans: Logger.Metadata = [:]
    var last = claimed
    for (name, point) in [
      ("prepare_us", spawned), ("start_us", spoke), ("work_us", exited), ("adopt_us", adopted),
      ("complete_us", completed),
    ] {
      guard let point else { continue }
      spans[name] = "\((point - last).microseconds)"
      last = point
    }
    return spans
  }
}

extension Duration {
  fileprivate var microseconds: Int64 {
    let parts = components
    return parts.seconds * 1_000_000 + parts.attoseconds / 1_000_000_000_000
  }
}
