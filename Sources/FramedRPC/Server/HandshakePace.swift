internal import FramedCore

/// Spreads the TLS handshakes of one event loop: each costs about a millisecond of its time, and a storm of them would leave
/// none for the connections there are. Touched on the loop only.
struct HandshakePace {
  /// A loop's handshakes in a second; as many may begin at once after a quiet second.
  static let perSecond = 200
  /// A connection that would wait longer is closed: its client has given up by then.
  private static let longestWait = Nanoseconds.seconds(4)
  private static let step = Nanoseconds.seconds(1) / Nanoseconds(perSecond)

  /// When the next one without a burst may begin.
  private var next: Nanoseconds = 0

  /// How long a new connection's handshake has to wait; `nil`: too many wait.
  mutating func turn(_ now: Nanoseconds) -> Nanoseconds? {
    let earliest = now > .seconds(1) ? now - .seconds(1) : 0
    let at = max(next, earliest)
    let wait = at > now ? at - now : 0
    guard wait <= Self.longestWait else { return nil }
    next = at + Self.step
    return wait
  }
}
