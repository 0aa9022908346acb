public import FramedCore
internal import FramedMessages

/// What a handler knows of the call it answers. A value: keep it, pass it on.
public struct ServerCallContext: Sendable {
  // Few members, each a reference: every call makes one of these, and few handlers look at more than one or two things.
  let routed: RoutedMethod
  let head: CallHead
  public let principal: Principal
  /// The caller's address, for logs: `127.0.0.1:50312`.
  public let peer: String
  /// By the event loop's clock; `never`: there is none.
  let deadlineUptime: Nanoseconds
  /// A bearer token is for the server, not for its handlers.
  let hidesToken: Bool
  let cancellation: CallCancellation?

  /// The method called.
  public var method: MethodDescriptor { routed.descriptor }

  /// 16 bytes the caller gave the call to make sending it again safe.
  public var requestID: [UInt8]? { head.meta.requestID.isEmpty ? nil : head.meta.requestID }

  /// Streams: where the caller left off.
  public var resume: Resume? { head.meta.resume.map { Resume($0) } }

  /// The caller's metadata.
  public var metadata: [MetadataEntry] {
    head.meta.metadata.filter { !hidesToken || $0.key != Callers.key }.map { MetadataEntry($0) }
  }

  /// W3C trace context of the caller.
  public var traceparent: String? { head.meta.traceparent.isEmpty ? nil : head.meta.traceparent }
  public var tracestate: String? { head.meta.tracestate.isEmpty ? nil : head.meta.tracestate }

  /// How often the caller tried before, 0 the first time.
  public var attempt: UInt32 { head.meta.attempt }

  /// How long the caller still waits; zero or less: no longer; `nil`: for ever.
  public var timeRemaining: Duration? {
    deadlineUptime == .never
      ? nil : .nanoseconds(Int64(clamping: deadlineUptime) - Int64(clamping: FramedChannelHandler.clock))
  }

  /// Whether nobody waits for the answer any more.
  public var isCancelled: Bool { cancellation?.reason != nil }

  /// Runs `action` once, when the call is cancelled (at once if it is); not when it ends by itself. Runs on the
  /// connection's event loop or on the caller's thread: it must not wait.
  public func onCancel(_ action: @escaping @Sendable (StatusCode) -> Void) {
    cancellation?.onCancel(action)
  }
}
