internal import FramedCore
internal import Synchronization

/// When a call is sent again, and how long to wait before (docs/protocol.md, "Deadlines, cancel, retry").
enum RetryPolicy {
  /// Of one call, the first included.
  static let attempts = 4
  static let firstWait = Duration.milliseconds(200)
  static let reconnectFactor = 1.6
  static let reconnectCap = Duration.seconds(20)
  /// A connection that lived so long earns a quick return.
  static let goodLife = Duration.seconds(10)

  static func jittered(_ wait: Duration) -> Duration { wait * Double.random(in: 0.8...1.2) }

  /// Whether a stream that broke may be opened again. A server that has never answered may not be there at all: after a few
  /// attempts that is said.
  static func mayResume(_ error: RPCError, wasAnswered: Bool, failures: Int) -> Bool {
    guard error.code == .unavailable || (error.refused && error.code == .resourceExhausted) else { return false }
    if let wait = error.retryAfter, wait < .zero { return false }
    return wasAnswered || (error.refused && failures < attempts)
  }
}

/// The attempts of one unary call.
struct Retry {
  private let mayRepeat: Bool
  private let budget: RetryBudget
  private var wait = RetryPolicy.firstWait
  private var refusedOnce = false
  /// Attempts that count: all but the first that was refused.
  private var counted = 0

  init(_ method: MethodDescriptor, _ budget: RetryBudget) {
    mayRepeat = method.idempotency != .unspecified
    self.budget = budget
  }

  /// How long to wait before the next attempt; `nil`: the error is the answer.
  mutating func after(_ error: RPCError) -> Duration? {
    let isUnavailable = error.code == .unavailable
    let isSafe = error.refused && (isUnavailable || error.code == .resourceExhausted)
    guard isSafe || (isUnavailable && mayRepeat) else { return nil }
    if let asked = error.retryAfter, asked < .zero { return nil }
    if isSafe, !refusedOnce, error.retryAfter == nil {
      // It did not run, and another connection may take it: at once, and not counted.
      refusedOnce = true
      return .zero
    }
    counted += 1
    guard counted < RetryPolicy.attempts, budget.take() else { return nil }
    defer { wait = wait * 2 }
    return error.retryAfter ?? RetryPolicy.jittered(wait)
  }
}

/// Keeps retries from doubling the load of a server in trouble: ten tokens, one a retry, a tenth back a success.
final class RetryBudget: Sendable {
  private static let capacity = 10.0
  private static let refill = 0.1
  private let tokens = Mutex(capacity)

  func succeeded() { tokens.withLock { $0 = min(Self.capacity, $0 + Self.refill) } }

  func take() -> Bool {
    tokens.withLock { tokens in
      guard tokens >= 1 else { return false }
      tokens -= 1
      return true
    }
  }
}

/// Waits between attempts to connect: growing, jittered, capped.
struct Backoff {
  private var wait = RetryPolicy.firstWait

  mutating func next() -> Duration {
    defer { wait = min(wait * RetryPolicy.reconnectFactor, RetryPolicy.reconnectCap) }
    return RetryPolicy.jittered(wait)
  }

  mutating func reset() { wait = RetryPolicy.firstWait }
}
