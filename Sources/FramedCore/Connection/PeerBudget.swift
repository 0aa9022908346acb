/// What a connection forgives its client (docs/protocol.md, "Errors and limits").
package struct AbuseLimits: Sendable, Hashable {
  /// Tokens of a new connection, and the most it may have.
  package var tokens = 200
  /// Time in which an empty bucket is full again.
  package var refill = Nanoseconds.seconds(30)
  /// A stream cancelled younger than this costs a token.
  package var youngStream = Nanoseconds.seconds(1)
  /// CREDIT of fewer bytes costs a token.
  package var leastCredit: UInt32 = 2_048

  package init() {}
}

/// Tokens for what costs the server more than its client: each takes one, and they come back with time.
///
/// Frames of a client that crossed an END on the way are no abuse: each END allows as many as the stream's window can hold.
///
/// A class: it is counted in from inside the connection's own methods, and a struct there would be guarded against overlapping use
/// with every END.
final class AbuseBucket {
  private let limits: AbuseLimits
  private let crossingsPerEnd: Int
  private var tokens: Double
  private var at: Nanoseconds
  private var crossings = 0

  init(_ limits: AbuseLimits, initialCredit: Int, now: Nanoseconds) {
    self.limits = limits
    crossingsPerEnd = 4 + initialCredit / Limits.floorFrame
    tokens = Double(limits.tokens)
    at = now
  }

  /// END was sent: the client may not know for a while.
  func ended() { crossings = min(crossings + crossingsPerEnd, Self.mostCrossings) }
  /// A client that was honest for a day has not saved up for a flood.
  private static let mostCrossings = 65_536

  /// A frame for a stream that is over. False: there is no token left.
  func crossed(_ now: Nanoseconds) -> Bool {
    if crossings > 0 {
      crossings -= 1
      return true
    }
    return spend(now)
  }

  /// False: there is no token left.
  func spend(_ now: Nanoseconds) -> Bool {
    let full = Double(limits.tokens)
    if now > at { tokens = min(full, tokens + full * Double(now - at) / Double(max(limits.refill, 1))) }
    at = max(at, now)
    guard tokens >= 1 else { return false }
    tokens -= 1
    return true
  }
}

/// Notices a client that begins a frame and lets it drip: it would hold a buffer for as long as it likes.
struct FrameClock {
  /// Bytes a second that a frame under way has to come with.
  private static let leastRate = 1_024
  static let window = Nanoseconds.seconds(10)

  /// Since when the frame under way is measured; nil: none is.
  private var since: Nanoseconds?
  private var frame = 0
  private var bytesBefore = 0

  /// When to look again; `never` where no frame is under way.
  var deadline: Nanoseconds { since.map { $0 + Self.window } ?? .never }

  /// What has been read so far: `frames` whole ones, and `partial` bytes of the next.
  mutating func read(frames: Int, partial: Int, _ now: Nanoseconds) {
    if partial == 0 {
      since = nil
    } else if since == nil || frames != frame {
      since = now
      frame = frames
      bytesBefore = partial
    }
  }

  /// At the deadline. False: too little came.
  mutating func advance(partial: Int, _ now: Nanoseconds) -> Bool {
    guard since != nil, now >= deadline else { return true }
    let came = partial - bytesBefore
    since = now
    bytesBefore = partial
    return came >= Self.leastRate * Int(Self.window / .seconds(1))
  }

  /// The server itself stopped reading: what did not come meanwhile is not the client's doing.
  mutating func pause() { since = nil }
}
