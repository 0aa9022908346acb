internal import FramedCore
internal import Synchronization

/// A call whose handler may wait: its task, its cancellation, and the way back to its stream.
///
/// Unchecked: `session` never changes and is itself safe to hold anywhere; the rest is touched on the connection's event
/// loop only, which every entry from another thread reaches through the loop's executor.
final class ServerCall: @unchecked Sendable {
  let session: ServerSession
  let cancellation = CallCancellation()
  private let stream: ServerStream
  private var task: Task<Void, Never>?
  private var hasReturned = false
  private var end: StreamEnd?
  private var endActions: [@Sendable (StreamEnd) -> Void] = []
  private var snapshotAction: (@Sendable () -> Void)?
  /// BLOCK: senders that wait for room.
  private var waitingSenders: [UnsafeContinuation<Bool, Never>] = []
  /// What other threads said of the stream and the loop has not heard yet.
  private let unheard = Atomic(0)

  init(session: ServerSession, stream: ServerStream) {
    self.session = session
    self.stream = stream
  }

  private var connection: ServerConnection { session.connection }

  // MARK: Handlers

  /// Starts inline; resumes on the loop after every wait.
  func run(_ handler: @escaping RoutedMethod.Handler, _ context: ServerCallContext) {
    let (share, owner) = (session.share, stream.owner)
    let task = Task.immediateDetached(executorPreference: session.executor) {
      defer { share.give(.handler, owner) }
      let reply: Reply
      do {
        reply = .message(try await handler(context), trailers: [])
      } catch {
        reply = .status(self.session.status(of: error, context.method))
      }
      self.answer(reply)
    }
    keep(task)
  }

  func run(_ handler: @escaping RoutedMethod.StreamHandler, _ kind: StreamKind, _ context: ServerCallContext) {
    let (share, owner) = (session.share, stream.owner)
    let task = Task.immediateDetached(executorPreference: session.executor) {
      defer { share.give(.handler, owner) }
      do {
        try await handler(context, StreamSender(call: self))
        // A BLOCK handler has sent everything when it returns; the others have subscribed somewhere.
        self.onLoop {
          $0.returned()
          if kind == .block {
            $0.connection.finish($0.stream, .status(.ok))
          } else {
            $0.connection.handlerSubscribed($0.stream)
          }
        }
      } catch {
        let status = self.session.status(of: error, context.method)
        self.onLoop {
          $0.returned()
          $0.connection.finish($0.stream, .status(status))
        }
      }
    }
    keep(task)
  }

  /// Of a unary call. Nearly every handler returns on the loop.
  private func answer(_ reply: Reply) {
    guard session.executor.isCurrent else { return onLoop { $0.answer(reply) } }
    connection.now = FramedChannelHandler.clock
    returned()
    connection.finish(stream, reply)
    session.changed()
  }

  /// The handler may have returned before its task was ours to keep. One that has returned is let go: a task that is held holds
  /// two kilobytes, a watch lasts.
  private func keep(_ task: Task<Void, Never>) {
    if end == nil, !hasReturned { self.task = task }
  }

  private func returned() {
    hasReturned = true
    task = nil
  }

  // MARK: What the core says

  func cancelled(_ status: StatusCode) {
    cancellation.cancel(status)
    task?.cancel()
    over(.cancelled(status))
  }

  func ended(finished: Bool) {
    cancellation.end()
    task = nil
    over(finished ? .finished : .cancelled(.unavailable))
  }

  private func over(_ end: StreamEnd) {
    guard self.end == nil else { return }
    self.end = end
    snapshotAction = nil
    release(false)
    guard !endActions.isEmpty else { return }
    let actions = endActions
    endActions = []
    // Not here: what was sent last may have ended the stream, and its sender may hold what an action needs.
    session.executor.post { for action in actions { action(end) } }
  }

  func roomAgain() { release(true) }

  private func release(_ hasRoom: Bool) {
    let senders = waitingSenders
    waitingSenders = []
    for sender in senders { sender.resume(returning: hasRoom) }
  }

  func snapshotNeeded() -> Bool {
    guard let snapshotAction else { return false }
    // After the offer that overflowed has returned.
    session.executor.post(snapshotAction)
    return true
  }

  // MARK: What a stream's handler says, from any thread

  func onLoop(_ action: @escaping @Sendable (ServerCall) -> Void) {
    session.executor.run {
      self.session.connection.now = FramedChannelHandler.clock
      action(self)
      self.session.changed()
    }
  }

  /// In the order in which they are called, whichever threads call: on the loop itself an action must not overtake one
  /// that another thread has posted before, or a bookmark says "up to here" of a value that has not been offered.
  func stream(_ action: @escaping @Sendable (ServerConnection, ServerStream) -> Void) {
    if session.executor.isCurrent, unheard.load(ordering: .acquiring) == 0 {
      return onLoop { action($0.connection, $0.stream) }
    }
    unheard.add(1, ordering: .acquiringAndReleasing)
    session.executor.post {
      self.onLoop { action($0.connection, $0.stream) }
      self.unheard.subtract(1, ordering: .acquiringAndReleasing)
    }
  }

  /// BLOCK: returns when there is room for another message.
  func pushAndWait(_ bytes: [UInt8], seq: UInt64?) async throws(RPCError) {
    let isOpen = await withUnsafeContinuation { (continuation: UnsafeContinuation<Bool, Never>) in
      onLoop { call in
        switch call.connection.push(call.stream, seq: seq, bytes: bytes) {
        case .room: continuation.resume(returning: true)
        case .full: call.waitingSenders.append(continuation)
        case .ended: continuation.resume(returning: false)
        }
      }
    }
    guard isOpen else { throw RPCError(.cancelled, "the stream is over") }
  }

  func onEnd(_ action: @escaping @Sendable (StreamEnd) -> Void) {
    session.executor.run {
      if let end = self.end {
        self.session.executor.post { action(end) }
      } else {
        self.endActions.append(action)
      }
    }
  }

  func onSnapshotNeeded(_ action: @escaping @Sendable () -> Void) {
    session.executor.run { if self.end == nil { self.snapshotAction = action } }
  }
}
