internal import Synchronization

/// Since when this engine has had a database without interruption: who was cut off itself must not judge others.
final class DatabaseHealth: Sendable {
  private let since = Mutex<ContinuousClock.Instant?>(nil)

  func succeeded(startedAt: ContinuousClock.Instant) {
    since.withLock { since in
      if since == nil { since = startedAt }
    }
  }
  func failed() { since.withLock { $0 = nil } }

  func healthy(for duration: Duration) -> Bool {
    since.withLock { since in since.map { $0 + duration <= .now } ?? false }
  }
}
