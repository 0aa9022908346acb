internal import FramedCore
internal import FramedMessages
internal import Synchronization

/// One stream between the task that consumes it and the connection's event loop.
final class WatchCall: ClientCallSink, WatchSource {
  private struct State {
    var messages: [StreamMessage] = []
    var head = 0
    var end: EndStatus?
    var continuation: UnsafeContinuation<StreamMessage?, Never>?
    var epoch: UInt64 = 0
    /// Messages taken that the connection does not know of.
    var untold = 0
    var untoldBytes = 0
    var cancelled = false
  }

  private let session: ClientSession
  private let state = Mutex(State())
  private let stream = LoopBox<ClientStream>()
  private let window: Int

  init(session: ClientSession, window: Int) {
    self.session = session
    self.window = window
  }

  func start(_ meta: CallMeta, _ request: [UInt8], timeout: Nanoseconds?) {
    session.onLoop { connection in
      guard !self.stream.isCancelled else { return self.ended(EndStatus(.cancelled, "cancelled"), message: nil) }
      self.stream.value = connection.call(meta, request: request, isUnary: false, timeout: timeout, attachment: self)
    }
  }

  // MARK: The connection's side

  func message(_ message: StreamMessage) {
    let continuation = state.withLock { state -> UnsafeContinuation<StreamMessage?, Never>? in
      if let epoch = message.meta.epoch { state.epoch = epoch }
      guard let continuation = state.continuation else {
        state.messages.append(message)
        return nil
      }
      state.continuation = nil
      return continuation
    }
    guard let continuation else { return }
    // Straight into the consumer's hands, here on the loop: no hop to say that it was taken.
    if message.bytes != nil, let stream = stream.value { session.connection.taken(stream) }
    continuation.resume(returning: message)
  }

  func ended(_ status: EndStatus, message: [UInt8]?) {
    let continuation = state.withLock { state -> UnsafeContinuation<StreamMessage?, Never>? in
      if state.end == nil { state.end = status }
      // What waits is still delivered, before the end.
      defer { state.continuation = nil }
      return state.continuation
    }
    continuation?.resume(returning: nil)
  }

  // MARK: The consumer's side

  func next() async -> WatchNext {
    if let message = take() { return .message(message, epoch: epoch, key: "") }
    if let end = ending { return .end(end) }
    let message = await withTaskCancellationHandler {
      await withUnsafeContinuation { continuation in
        let ready = state.withLock { state -> Bool in
          if state.head < state.messages.count || state.end != nil { return true }
          state.continuation = continuation
          return false
        }
        if ready { continuation.resume(returning: nil) }
      }
    } onCancel: {
      cancel()
    }
    if let message { return .message(message, epoch: epoch, key: "") }
    if let message = take() { return .message(message, epoch: epoch, key: "") }
    return .end(ending ?? EndStatus(.cancelled, "cancelled"))
  }

  private var epoch: UInt64 { state.withLock { $0.epoch } }
  private var ending: EndStatus? { state.withLock { $0.end } }

  /// The next message that waits; tells the connection now and then how many were taken.
  private func take() -> StreamMessage? {
    let (message, tell) = state.withLock { state -> (StreamMessage?, Int) in
      guard state.head < state.messages.count else { return (nil, 0) }
      let message = state.messages[state.head]
      state.head += 1
      if let bytes = message.bytes {
        state.untold += 1
        state.untoldBytes += bytes.count
      }
      let isLast = state.head == state.messages.count
      if isLast {
        state.messages.removeAll(keepingCapacity: state.head <= 64)
        state.head = 0
      } else if state.head > 64, state.head * 2 > state.messages.count {
        state.messages.removeFirst(state.head)
        state.head = 0
      }
      guard isLast || state.untoldBytes >= window / 4 else { return (message, 0) }
      defer {
        state.untold = 0
        state.untoldBytes = 0
      }
      return (message, state.untold)
    }
    if tell > 0 {
      session.onLoop { connection in
        guard let stream = self.stream.value else { return }
        for _ in 0..<tell { connection.taken(stream) }
      }
    }
    return message
  }

  func cancel() {
    let first = state.withLock { state in
      defer { state.cancelled = true }
      return !state.cancelled
    }
    guard first else { return }
    session.onLoop { connection in
      self.stream.isCancelled = true
      if let stream = self.stream.value { connection.cancel(stream) }
    }
  }
}
