internal import FramedCore
internal import FramedMessages
internal import Synchronization

/// One unary call between the task that waits for it and the connection's event loop.
final class UnaryCall: ClientCallSink, Sendable {
  typealias Outcome = Result<[UInt8], RPCError>

  private struct State {
    var continuation: UnsafeContinuation<Outcome, Never>?
    var outcome: Outcome?
  }

  private let state = Mutex(State())
  private let stream = LoopBox<ClientStream>()

  func ended(_ status: EndStatus, message: [UInt8]?) {
    if status.code == .ok, let message {
      finish(.success(message))
    } else {
      finish(.failure(RPCError(status)))
    }
  }

  /// Unary calls get no messages: the core answers with END only.
  func message(_ message: StreamMessage) {}

  private func finish(_ outcome: Outcome) {
    let continuation = state.withLock { state in
      defer { state.continuation = nil }
      if state.continuation == nil { state.outcome = outcome }
      return state.continuation
    }
    continuation?.resume(returning: outcome)
  }

  func run(_ meta: CallMeta, _ request: [UInt8], timeout: Nanoseconds?, on session: ClientSession) async -> Outcome {
    await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        state.withLock { $0.continuation = continuation }
        session.onLoop { connection in
          // Cancelled before it began: nothing of it reaches the wire.
          guard !self.stream.isCancelled else { return self.finish(.failure(RPCError(.cancelled, "cancelled"))) }
          self.stream.value = connection.call(
            meta, request: request, isUnary: true, timeout: timeout, attachment: self)
        }
      }
    } onCancel: {
      session.onLoop { connection in
        self.stream.isCancelled = true
        if let stream = self.stream.value { connection.cancel(stream) }
      }
    }
  }
}

/// State of a call that only the connection's event loop touches.
///
/// Unchecked: that is the proof; every access is inside ``ClientSession/onLoop(_:)``.
final class LoopBox<Value>: @unchecked Sendable {
  var value: Value?
  var isCancelled = false
}
