public import ProtobufFacade

/// A message encoded once and shared by every stream it is sent on.
public struct EncodedMessage: Sendable {
  /// Protobuf's binary form.
  public let bytes: [UInt8]

  public init(_ message: some ProtobufMessage) {
    bytes = message.protobufBytes()
  }

  public init(protobuf bytes: [UInt8]) {
    self.bytes = bytes
  }
}

/// Why a stream is over, told to ``LatestStream/onEnd(_:)``.
public enum StreamEnd: Sendable, Hashable {
  /// ``LatestStream/finish()`` or ``LatestStream/fail(_:)`` was called, and its END is on the wire.
  case finished
  /// The caller cancelled, its deadline passed, the server drains, or the connection is gone.
  case cancelled(StatusCode)
}

/// The sending end of a LATEST stream: one slot per key, the newest value of each wins.
///
/// Every method may be called from any thread and never waits; calls made from one thread take effect in their order.
/// Values are offered in the order of their `seq`: everything at or below an offered seq that concerns the stream has
/// been offered before it. Only between ``beginSnapshot()`` and the next ``bookmark(safeSeq:)`` any order will do.
public struct LatestStream<Message: ProtobufMessage>: Sendable {
  let sender: StreamSender

  /// The number space of `seq`; must be set before the first value. A client that resumes in another epoch gets a
  /// snapshot.
  public func begin(epoch: UInt64) { sender.begin(epoch: epoch) }

  /// What follows is the full state, until ``bookmark(safeSeq:)``: keys that do not occur in it no longer exist.
  public func beginSnapshot() { sender.beginSnapshot() }

  /// The newest value of `key`. `removed`: the key is no longer part of what the stream shows; sent once.
  public func send(key: String, seq: UInt64, message: EncodedMessage, removed: Bool = false) {
    sender.send(key: key, seq: seq, bytes: message.bytes, removed: removed)
  }

  public func send(key: String, seq: UInt64, message: Message, removed: Bool = false) {
    send(key: key, seq: seq, message: EncodedMessage(message), removed: removed)
  }

  /// Everything up to `safeSeq` that concerns the stream has been offered.
  public func bookmark(safeSeq: UInt64) { sender.bookmark(safeSeq: safeSeq) }

  /// Ends the stream with OK once the newest value of every key has left.
  public func finish() { sender.finish() }

  /// Ends the stream with an error, at once.
  public func fail(_ error: RPCError) { sender.fail(error) }

  /// Runs once when the stream is over (at once if it is), on the connection's event loop; never inside a call of this type.
  public func onEnd(_ action: @escaping @Sendable (StreamEnd) -> Void) { sender.onEnd(action) }

  /// Runs when so many keys wait that they were dropped: begin a snapshot. Without it the stream ends with
  /// ``StatusCode/unavailable`` and its client resumes.
  public func onSnapshotNeeded(_ action: @escaping @Sendable () -> Void) { sender.onSnapshotNeeded(action) }
}

/// The sending end of a QUEUE stream: every message, from a bounded queue. A client that lets more wait than the method's
/// bound loses the stream with ``StatusCode/resourceExhausted`` and its place to resume from.
///
/// Every method may be called from any thread and never waits; calls made from one thread take effect in their order.
public struct QueueStream<Message: ProtobufMessage>: Sendable {
  let sender: StreamSender

  /// The number space of `seq`. Without it the client cannot resume.
  public func begin(epoch: UInt64) { sender.begin(epoch: epoch) }

  /// The next message. `seq` grows; everything at or below it that concerns the stream was sent before.
  public func send(_ message: EncodedMessage, seq: UInt64? = nil) { sender.push(message.bytes, seq: seq) }

  public func send(_ message: Message, seq: UInt64? = nil) { send(EncodedMessage(message), seq: seq) }

  /// Everything up to `safeSeq` that concerns the stream has been sent.
  public func bookmark(safeSeq: UInt64) { sender.bookmark(safeSeq: safeSeq) }

  /// Ends the stream with OK once every message has left.
  public func finish() { sender.finish() }

  /// Ends the stream with an error once every message has left.
  public func fail(_ error: RPCError) { sender.fail(error) }

  /// Runs once when the stream is over (at once if it is), on the connection's event loop; never inside a call of this type.
  public func onEnd(_ action: @escaping @Sendable (StreamEnd) -> Void) { sender.onEnd(action) }
}

/// The sending end of a BLOCK stream: every message; the handler goes at the pace of its caller.
public struct BlockStream<Message: ProtobufMessage>: Sendable {
  let sender: StreamSender

  /// The number space of `seq`. Without it the client cannot resume.
  public func begin(epoch: UInt64) { sender.begin(epoch: epoch) }

  /// Sends the next message; returns when there is room for another. Throws ``StatusCode/cancelled`` when the stream is over:
  /// nobody takes what the handler would still send.
  public func send(_ message: EncodedMessage, seq: UInt64? = nil) async throws(RPCError) {
    try await sender.pushAndWait(message.bytes, seq: seq)
  }

  public func send(_ message: Message, seq: UInt64? = nil) async throws(RPCError) {
    try await send(EncodedMessage(message), seq: seq)
  }
}
