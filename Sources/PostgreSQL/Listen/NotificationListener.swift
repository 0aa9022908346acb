import Synchronization

/// What a subscription to a channel yields.
public enum Notification: Sendable, Equatable {
  /// LISTEN is in force from now on, for the first time or again after the connection was lost: what was sent before may have
  /// been missed, so read the state that the notifications are about.
  case reconnected
  /// Somebody committed a NOTIFY on the channel.
  case message(payload: String, processID: Int32)
}

/// A notification, and whose it is.
public struct ChannelNotification: Sendable, Equatable {
  public var channel: String
  public var notification: Notification

  public init(channel: String, notification: Notification) {
    self.channel = channel
    self.notification = notification
  }
}

/// A session that LISTENs, and is opened again whenever it is lost. Notifications are a wake-up, never the truth: a
/// subscriber that falls 1,024 behind loses the oldest.
public final class NotificationListener: Sendable {
  private let settings: ConnectionSettings
  private let thread: DatabaseThread
  private let state = Mutex(State())

  private struct Subscriber {
    var channels: [String]
    var take: @Sendable ([ChannelNotification]) -> Void
    var finish: @Sendable () -> Void = {}
  }
  private struct State {
    var subscribers: [UInt64: Subscriber] = [:]
    var nextIdentifier: UInt64 = 0
    var connection: PostgresConnection?
    var task: Task<Void, Never>?
    var closed = false
  }

  public init(_ settings: ConnectionSettings, thread: DatabaseThread) {
    self.settings = settings
    self.thread = thread
  }

  deinit { state.withLock { $0.task }?.cancel() }

  /// Notifications of a channel, beginning with ``Notification/reconnected`` once LISTEN is in force. The stream ends with
  /// ``close()``.
  public func subscribe(to channel: String) -> AsyncStream<Notification> {
    let (stream, continuation) = AsyncStream.makeStream(
      of: Notification.self, bufferingPolicy: .bufferingNewest(1024))
    let observation = add(
      Subscriber(
        channels: [channel], take: { for event in $0 { continuation.yield(event.notification) } },
        finish: { continuation.finish() }))
    continuation.onTermination = { _ in observation.cancel() }
    return stream
  }

  /// Calls `body` with what ``subscribe(to:)`` would yield of any of the channels, on the session's thread and at once: no task
  /// has to wake first. What arrived together comes in one call, in its order.
  public func observe(_ channels: String..., body: @escaping @Sendable ([ChannelNotification]) -> Void) -> Observation {
    add(Subscriber(channels: channels, take: body))
  }

  /// Somebody who is told of channels, until cancelled.
  public struct Observation: Sendable {
    fileprivate let end: @Sendable () -> Void

    public func cancel() { end() }
  }

  private func add(_ subscriber: Subscriber) -> Observation {
    let (connection, identifier, closed) = state.withLock { state in
      state.nextIdentifier += 1
      let identifier = state.nextIdentifier
      if !state.closed {
        state.subscribers[identifier] = subscriber
        if state.task == nil { state.task = Task { [weak self] in await Self.keepListening(self) } }
      }
      return (state.connection, identifier, state.closed)
    }
    if closed {
      subscriber.finish()
    } else if let connection {
      Task { [weak self] in
        for channel in subscriber.channels {
          // On failure the session is gone, and the next one listens to every channel there is.
          guard (try? await connection.query(Self.listen(channel))) != nil else { return }
          self?.state.withLock { $0.subscribers[identifier] }?.take([
            .init(channel: channel, notification: .reconnected)
          ])
        }
      }
    }
    return Observation { [weak self] in self?.state.withLock { $0.subscribers[identifier] = nil } }
  }

  /// Closes the session and ends all streams.
  public func close() {
    let (connection, task, subscribers) = state.withLock { state in
      state.closed = true
      defer { state.subscribers = [:] }
      return (state.connection, state.task, Array(state.subscribers.values))
    }
    task?.cancel()
    connection?.close()
    for subscriber in subscribers { subscriber.finish() }
  }

  /// A channel is an identifier: quoted, it may be any name of up to 63 bytes.
  private static func listen(_ channel: String) -> String {
    "LISTEN \"\(channel.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\""))\""
  }

  /// Holds the listener only while it opens a session, so that dropping it ends the loop: its session goes with it.
  private static func keepListening(_ listener: @autoclosure () -> NotificationListener?) async {
    func listen() async throws -> SessionEnd? {
      guard let current = listener(), !current.state.withLock({ $0.closed }) else { return nil }
      return try await current.listenUntilLost()
    }
    var backoff = Backoff()
    while !Task.isCancelled {
      let start = ContinuousClock.now
      do {
        guard let ended = try await listen() else { return }
        await ended.wait()
        // A session that lasted earns a quick return; one that is ended again and again does not.
        if ContinuousClock.now - start > .seconds(1) { backoff.reset() }
      } catch {}
      try? await Task.sleep(for: backoff.next())
    }
  }

  private func listenUntilLost() async throws -> SessionEnd {
    let connection = try await PostgresConnection.connect(settings, on: thread)
    connection.session.onNotifications { [weak self] in self?.deliver($0) }
    let ended = SessionEnd()
    connection.session.onClose { ended.signal() }
    // From here on subscribe(to:) listens by itself; channels that are there already are listened to below.
    let channels = state.withLock { state -> [String] in
      if state.closed { return [] }
      state.connection = connection
      return Array(Set(state.subscribers.values.flatMap(\.channels)))
    }
    if state.withLock({ $0.closed }) { connection.close() }
    for channel in channels {
      try await connection.query(Self.listen(channel))
      deliver([ChannelNotification(channel: channel, notification: .reconnected)])
    }
    return ended
  }

  private func deliver(_ batch: [ChannelNotification]) {
    for subscriber in state.withLock({ Array($0.subscribers.values) }) {
      let theirs = batch.filter { subscriber.channels.contains($0.channel) }
      if !theirs.isEmpty { subscriber.take(theirs) }
    }
  }
}

/// Tells one task that a session has ended.
private final class SessionEnd: Sendable {
  private enum State {
    case open
    case waiting(CheckedContinuation<Void, Never>)
    case ended
  }
  private let state = Mutex(State.open)

  func signal() {
    let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
      defer { state = .ended }
      if case .waiting(let continuation) = state { return continuation }
      return nil
    }
    waiter?.resume()
  }

  func wait() async {
    await withCheckedContinuation { continuation in
      let ended = state.withLock { state -> Bool in
        if case .ended = state { return true }
        state = .waiting(continuation)
        return false
      }
      if ended { continuation.resume() }
    }
  }
}
