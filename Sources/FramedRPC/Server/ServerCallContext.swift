public import FramedCore

/// What a handler knows of the call it answers. A value: keep it, pass it on.
public struct ServerCallContext: Sendable {
  /// The method called.
  public let method: MethodDescriptor
  public let principal: Principal
  /// The caller's address, for logs: `127.0.0.1:50312`.
  public let peer: String
  /// 16 bytes the caller gave the call to make sending it again safe.
  public let requestID: [UInt8]?
  /// Nanoseconds of the event loop's clock.
  let deadlineUptime: UInt64?
  /// Streams: where the caller left off.
  public let resume: Resume?
  /// The caller's metadata.
  public let metadata: [MetadataEntry]
  /// W3C trace context of the caller.
  public let traceparent: String?
  public let tracestate: String?
  /// How often the caller tried before, 0 the first time.
  public let attempt: UInt32
  let cancellation: CallCancellation?

  /// How long the caller still waits; zero or less: no longer; `nil`: for ever.
  public var timeRemaining: Duration? {
    deadlineUptime.map { .nanoseconds(Int64(clamping: $0) - Int64(clamping: FramedChannelHandler.clock)) }
  }

  /// Whether nobody waits for the answer any more.
  public var isCancelled: Bool { cancellation?.reason != nil }

  /// Runs `action` once, when the call is cancelled (at once if it is); not when it ends by itself. Runs on the
  /// connection's event loop or on the caller's thread: it must not wait.
  public func onCancel(_ action: @escaping @Sendable (StatusCode) -> Void) {
    cancellation?.onCancel(action)
  }
}
