internal import FramedCore
public import ProtobufFacade
internal import Synchronization

/// One value that many LATEST streams show: encoded once, handed over once an event loop, framed once a connection. What a
/// hundred streams cost beside one is a copy of the frame each.
///
/// Every method may be called from any thread and never waits. A stream that was added is told by its topic only, and ends by
/// ``finish(_:)``; what was sent to it before leaves before. A stream that is over leaves by itself.
public final class LatestTopic<Message: ProtobufMessage>: Sendable {
  private let loops = TopicLoops()

  public init() {}

  /// The newest value of `key` for every stream of the topic, those added later too. `seq` is above that of every value before.
  public func publish(key: String, seq: UInt64, message: EncodedMessage, removed: Bool = false) {
    loops.publish(LatestGroup.Value(key: key, seq: seq, bytes: message.bytes, removed: removed))
  }

  /// A stream whose newest value is older than the topic's is told the topic's.
  public func add(_ stream: LatestStream<Message>) {
    let call = stream.sender.call
    let loop = loops.loop(of: call.session.executor)
    call.stream { connection, stream in loop.add(call.session, connection, stream) }
  }

  /// Ends a stream of the topic with OK once the newest value has left.
  public func finish(_ stream: LatestStream<Message>) {
    let call = stream.sender.call
    // Behind what was published before, which `stream` may overtake.
    call.session.executor.post { stream.sender.finish() }
  }
}

/// A topic on each event loop that has streams of it.
private final class TopicLoops: Sendable {
  private struct State {
    var loops: [ObjectIdentifier: TopicLoop] = [:]
    /// For loops to come.
    var newest: LatestGroup.Value?
  }

  private let state = Mutex(State())

  func loop(of executor: LoopExecutor) -> TopicLoop {
    state.withLock { state in
      if let known = state.loops[ObjectIdentifier(executor)] { return known }
      let loop = TopicLoop(executor, newest: state.newest)
      state.loops[ObjectIdentifier(executor)] = loop
      return loop
    }
  }

  func publish(_ value: LatestGroup.Value) {
    let loops = state.withLock { state in
      state.newest = value
      return Array(state.loops.values)
    }
    for loop in loops { loop.publish(value) }
  }
}

/// A topic on one event loop.
///
/// Unchecked: `members` and `newest` are touched on the loop only, the rest never changes or is a lock.
private final class TopicLoop: @unchecked Sendable {
  private struct Member {
    let session: ServerSession
    let group: LatestGroup
  }

  private let executor: LoopExecutor
  /// Published and not heard of on the loop yet: of several, the last will do.
  private let unheard = Mutex<LatestGroup.Value?>(nil)
  private var newest: LatestGroup.Value?
  private var members: [ObjectIdentifier: Member] = [:]

  init(_ executor: LoopExecutor, newest: LatestGroup.Value?) {
    self.executor = executor
    self.newest = newest
  }

  func publish(_ value: LatestGroup.Value) {
    let isFirst = unheard.withLock { unheard in
      defer { unheard = value }
      return unheard == nil
    }
    if isFirst { executor.post { self.hear() } }
  }

  private func hear() {
    guard
      let value = unheard.withLock({ unheard in
        defer { unheard = nil }
        return unheard
      })
    else { return }
    newest = value
    let now = FramedChannelHandler.clock
    for member in members.values {
      member.session.connection.now = now
      member.session.connection.publish(member.group, value)
      member.session.changed()
    }
  }

  /// On the loop.
  func add(_ session: ServerSession, _ connection: ServerConnection, _ stream: ServerStream) {
    let id = ObjectIdentifier(session)
    let group: LatestGroup
    if let member = members[id] {
      group = member.group
    } else {
      group = LatestGroup()
      group.emptied = { [weak self] in self?.members[id] = nil }
      members[id] = Member(session: session, group: group)
    }
    connection.join(group, stream, newest: newest)
    // It was over before it came.
    if group.count == 0 { members[id] = nil }
  }
}
