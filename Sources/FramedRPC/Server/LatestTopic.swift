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
  private struct Entry {
    let loop: TopicLoop
    /// Streams on their way to it.
    var coming = 0
  }

  private struct State {
    var entries: [ObjectIdentifier: Entry] = [:]
    /// For loops to come.
    var newest: LatestGroup.Value?
  }

  private let state = Mutex(State())

  /// For one stream, whose arrival ``arrived(at:)`` says.
  func loop(of executor: LoopExecutor) -> TopicLoop {
    state.withLock { state in
      let id = ObjectIdentifier(executor)
      var entry = state.entries[id] ?? Entry(loop: TopicLoop(executor, of: self, newest: state.newest))
      entry.coming += 1
      state.entries[id] = entry
      return entry.loop
    }
  }

  func arrived(at loop: TopicLoop) {
    state.withLock { $0.entries[ObjectIdentifier(loop.executor)]?.coming -= 1 }
    emptied(loop)
  }

  /// A loop without streams is let go: it may end before the topic does. On the loop.
  func emptied(_ loop: TopicLoop) {
    guard loop.isEmpty else { return }
    state.withLock { state in
      let id = ObjectIdentifier(loop.executor)
      if state.entries[id]?.coming == 0 { state.entries[id] = nil }
    }
  }

  func publish(_ value: LatestGroup.Value) {
    let loops = state.withLock { state in
      state.newest = value
      return state.entries.values.map(\.loop)
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

  let executor: LoopExecutor
  private let topic: TopicLoops
  /// Published and not heard of on the loop yet: of several, the last will do.
  private let unheard = Mutex<LatestGroup.Value?>(nil)
  private var newest: LatestGroup.Value?
  private var members: [ObjectIdentifier: Member] = [:]

  init(_ executor: LoopExecutor, of topic: TopicLoops, newest: LatestGroup.Value?) {
    self.executor = executor
    self.topic = topic
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
      group.emptied = { [weak self] in self?.left(id) }
      members[id] = Member(session: session, group: group)
    }
    connection.join(group, stream, newest: newest)
    // It was over before it came.
    if group.count == 0 { members[id] = nil }
    topic.arrived(at: self)
  }

  var isEmpty: Bool { members.isEmpty }

  private func left(_ id: ObjectIdentifier) {
    members[id] = nil
    topic.emptied(self)
  }
}
