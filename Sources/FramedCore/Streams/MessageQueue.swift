/// How a server stream treats a client that is slower than its messages.
package enum StreamKind: Sendable, Hashable {
  /// The newest value of every key.
  case latest
  /// Every message; more than `bound` of them waiting end the stream.
  case queue(bound: Int)
  /// Every message; the handler waits.
  case block
}

/// What a QUEUE or BLOCK stream has to send: every message, in its order.
///
/// Knows nothing of frames or credit. A class: streams of other kinds pay a pointer for it.
package final class MessageQueue {
  struct Message {
    let bytes: [UInt8]
    /// Place in the source's history; `nil`: the source keeps none.
    let seq: UInt64?
  }

  let kind: StreamKind
  private var messages: [Message] = []
  private var head = 0
  /// Of the messages that wait whole.
  private(set) var bytes = 0
  /// The highest seq whose message has left whole.
  private var sent: UInt64?
  /// Everything up to here was pushed.
  private var pushed: UInt64?
  /// A BLOCK handler waits for room.
  var handlerWaits = false

  init(_ kind: StreamKind) { self.kind = kind }

  /// `after`: the seq a client resumed at.
  convenience init(_ kind: StreamKind, after: UInt64?) {
    self.init(kind)
    sent = after
    pushed = after
  }

  var isEmpty: Bool { head == messages.count }
  var count: Int { messages.count - head }

  /// From here the client may resume without loss, given what has left so far; `nil`: nowhere.
  func safeSeq(inFlight: Bool) -> UInt64? { isEmpty && !inFlight ? pushed ?? sent : sent }

  /// QUEUE: as many wait as may.
  var isOverfull: Bool {
    if case .queue(let bound) = kind { return count > bound }
    return false
  }
  /// BLOCK: the handler may go on.
  var hasRoom: Bool { isEmpty || bytes < Limits.blockAhead }

  func push(_ bytes: [UInt8], seq: UInt64?) {
    messages.append(Message(bytes: bytes, seq: seq))
    self.bytes += bytes.count
    if let seq { pushed = max(pushed ?? 0, seq) }
  }

  func bookmark(_ seq: UInt64) { pushed = max(pushed ?? 0, seq) }

  /// Size of the message at the front.
  var nextSize: Int? { isEmpty ? nil : messages[head].bytes.count }

  func next() -> Message? {
    guard !isEmpty else { return nil }
    let message = messages[head]
    head += 1
    bytes -= message.bytes.count
    if isEmpty {
      messages.removeAll(keepingCapacity: head <= 16)
      head = 0
    } else if head > 64, head * 2 > messages.count {
      messages.removeFirst(head)
      head = 0
    }
    return message
  }

  /// A message has left whole.
  func left(_ seq: UInt64?) { if let seq { sent = max(sent ?? 0, seq) } }

  func drop() {
    messages = []
    head = 0
    bytes = 0
  }
}
