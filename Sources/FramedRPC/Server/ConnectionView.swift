internal import FramedCore
internal import FramedMessages

/// One open connection, as an operator sees it.
public struct ConnectionView: Sendable, Hashable {
  /// `127.0.0.1:50312`.
  public var peer: String
  /// Of its certificate; empty: it has none.
  public var principal: String
  /// What the client's HELLO says it is; empty before it came.
  public var agent: String
  public var age: Duration
  /// Since the last byte came.
  public var silence: Duration
  public var openStreams: Int
  /// Of messages: announced requests and what waits to be sent.
  public var heldBytes: Int
  public var draining: Bool
  /// The oldest, as many as were asked for.
  public var streams: [StreamView]
}

/// One open stream, as an operator sees it.
public struct StreamView: Sendable, Hashable {
  public var id: UInt32
  public var method: String
  /// Of the call: its token's, or its connection's.
  public var principal: String
  /// Of the protocol's table: OPEN, RUNNING, CANCELLING, ENDING.
  public var state: String
  public var age: Duration
  public var heldBytes: Int
  /// LATEST: keys whose newest value has not left. QUEUE and BLOCK: messages.
  public var waiting: Int
  /// Since when its front waits for credit; `nil`: it does not.
  public var blocked: Duration?
}

extension ServerSession {
  /// On the loop.
  func view(streams count: Int) -> ConnectionView {
    let now = FramedChannelHandler.clock
    func since(_ time: Nanoseconds) -> Duration { .nanoseconds(Int64(clamping: now > time ? now - time : 0)) }
    let streams = connection.streams.values.sorted { $0.id < $1.id }
    return ConnectionView(
      peer: peerAddress, principal: certifiedPrincipal.uri, agent: connection.peer.agent, age: since(acceptedAt),
      silence: since(connection.silentSince), openStreams: streams.count,
      heldBytes: streams.reduce(0) { $0 + $1.heldBytes }, draining: connection.isDraining,
      streams: streams.prefix(count).map { stream in
        StreamView(
          id: stream.id, method: stream.meta.method, principal: stream.owner, state: "\(stream.state)".uppercased(),
          age: since(stream.openedAt), heldBytes: stream.heldBytes, waiting: stream.waitingMessages,
          blocked: stream.blockedAt.map(since))
      })
  }
}

extension RPCServer {
  /// Every open connection, the oldest first, each with its `streams` oldest streams.
  public func connections(streams: Int = 100) async -> [ConnectionView] {
    var views: [ConnectionView] = []
    for session in openSessions {
      views.append(
        await withCheckedContinuation { continuation in
          session.executor.run { continuation.resume(returning: session.view(streams: streams)) }
        })
    }
    return views.sorted { $0.age > $1.age }
  }
}
