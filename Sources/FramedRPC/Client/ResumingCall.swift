internal import FramedCore
internal import FramedMessages
internal import Synchronization

/// A stream that survives its connections: opened again where it was, as often as it takes.
final class ResumingCall: WatchSource {
  private struct State {
    var track: StreamTrack
    var backoff = Backoff()
    /// Of the connection under way.
    var call: WatchCall?
    var client: RPCClient?
    var began = ContinuousClock.now
    var attempts: UInt32 = 0
    var failures = 0
    var wasAnswered = false
    /// The token was refused or ran out, and nothing came since.
    var tokenFailed = false
    var pending: [WatchNext] = []
    var isCancelled = false
    var sleeper: Task<Void, Never>?
  }

  private let channel: RPCChannel
  private let method: MethodDescriptor
  private let request: [UInt8]
  private let options: CallOptions
  private let deadline: ContinuousClock.Instant?
  private let state: Mutex<State>

  init(channel: RPCChannel, method: MethodDescriptor, request: [UInt8], options: CallOptions) {
    self.channel = channel
    self.method = method
    self.request = request
    self.options = options
    deadline = options.timeout.map { ContinuousClock.now + $0 }
    state = Mutex(State(track: StreamTrack(method.stream, after: options.resume)))
  }

  func next() async -> WatchNext {
    while true {
      if let waiting = state.withLock({ $0.pending.isEmpty ? nil : $0.pending.removeFirst() }) { return waiting }
      if state.withLock({ $0.isCancelled }) { return .end(EndStatus(.cancelled, "cancelled")) }
      let call: WatchCall
      do throws(RPCError) {
        call = try await opened()
      } catch {
        if let end = await pause(error) { return .end(end) }
        continue
      }
      switch await call.next() {
      case .end(let status):
        state.withLock { state in
          state.track.ended(status.resumeSeq)
          state.call = nil
          state.client = nil
        }
        if status.code == .ok { return .end(status) }
        if let end = await pause(RPCError(status)) { return .end(end) }
      case .gone:
        // Only this type says so.
        continue
      case .message(let message, let epoch, _):
        if let shown = take(message, epoch) { return shown }
      }
    }
  }

  private func take(_ message: StreamMessage, _ epoch: UInt64) -> WatchNext? {
    let key = message.bytes.flatMap { bytes in method.keyNumber.map { KeyField.value($0, in: bytes) } } ?? ""
    return state.withLock { state in
      state.wasAnswered = true
      state.tokenFailed = false
      let news = state.track.take(message.meta, isBookmark: message.bytes == nil, key: key)
      let shown = WatchNext.message(message, epoch: epoch, key: key)
      guard !news.gone.isEmpty else { return news.isNew ? shown : nil }
      // What is gone first: the bookmark says that the snapshot is whole.
      state.pending = news.gone.dropFirst().map { .gone(key: $0.key, seq: $0.seq, epoch: epoch) } + [shown]
      return .gone(key: news.gone[0].key, seq: news.gone[0].seq, epoch: epoch)
    }
  }

  /// The call under way, or another.
  private func opened() async throws(RPCError) -> WatchCall {
    if let call = state.withLock({ $0.call }) { return call }
    let client = try await channel.connection()
    var options = options
    options.timeout = deadline.map { max($0 - .now, .zero) }
    let call = state.withLock { state in
      options.resume = state.track.place
      options.attempt = state.attempts
      state.attempts += 1
      state.track.begins()
      state.began = .now
      let call = client.open(method, request, options)
      state.call = call
      state.client = client
      return call
    }
    if state.withLock({ $0.isCancelled }) { call.cancel() }
    return call
  }

  /// Waits for the next attempt; or says how the stream ends where there is none.
  private func pause(_ error: RPCError) async -> EndStatus? {
    let wait = state.withLock { state -> Duration? in
      state.failures += 1
      if error.code == .unauthenticated, error.resumeSeq != nil, state.wasAnswered, !state.tokenFailed,
        !state.isCancelled
      {
        // What let the call in has run out: once with what there is now.
        state.tokenFailed = true
        return .zero
      }
      guard !state.isCancelled, state.track.mayGoOn,
        RetryPolicy.mayResume(error, wasAnswered: state.wasAnswered, failures: state.failures)
      else { return nil }
      if ContinuousClock.now - state.began > RetryPolicy.goodLife { state.backoff.reset() }
      return error.retryAfter ?? state.backoff.next()
    }
    guard let wait else { return error.endStatus }
    if let deadline, ContinuousClock.now + wait >= deadline {
      return EndStatus(.deadlineExceeded, "\(method.name) did not end in time")
    }
    // A task of its own: whoever cancels the stream from elsewhere can end it.
    let sleeper = Task { _ = try? await Task.sleep(for: wait) }
    let isCancelled = state.withLock { state in
      state.sleeper = sleeper
      return state.isCancelled
    }
    if isCancelled { sleeper.cancel() }
    await withTaskCancellationHandler {
      await sleeper.value
    } onCancel: {
      cancel()
    }
    return nil
  }

  func cancel() {
    let (call, sleeper) = state.withLock { state in
      state.isCancelled = true
      return (state.call, state.sleeper)
    }
    call?.cancel()
    sleeper?.cancel()
  }
}
