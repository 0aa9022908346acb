internal import FramedCore
internal import FramedMessages
public import ProtobufFacade

/// One thing a stream says: a value, the removal of one, or a bookmark.
public struct WatchEvent<Message: ProtobufMessage>: Sendable, Equatable {
  /// The value; `nil` on a bookmark, and of a key that a snapshot did not contain.
  public var message: Message?
  /// The value's number; 0 on a bookmark.
  public var seq: UInt64
  /// From here the watch may be resumed without loss, in ``epoch``; `nil`: this event says nothing of it.
  public var safeSeq: UInt64?
  /// The number space of the stream.
  public var epoch: UInt64
  /// Older values of the key were skipped.
  public var conflated: Bool
  /// The full state begins with this event and ends with the next bookmark; keys not seen in between are gone.
  public var snapshot: Bool
  /// The value is no longer part of what the stream shows.
  public var removed: Bool

  /// LATEST streams of a channel: what the value is about.
  public var key = ""

  /// Says how far the watcher has come, and nothing else.
  public var isBookmark: Bool { message == nil && !removed }
}

/// The events of one stream, in order; for one consumer. Bytes not yet taken count against the stream's credit, so a
/// slow consumer makes the server skip to newer values (LATEST), wait (BLOCK) or give up (QUEUE), and never fills memory. Leaving the loop over it cancels the
/// stream.
public struct WatchStream<Message: ProtobufMessage>: AsyncSequence, Sendable {
  public typealias Element = WatchEvent<Message>
  public typealias Failure = RPCError

  let source: any WatchSource
  /// A connection that nobody holds closes: whoever watches holds it.
  let caller: any RPCCaller

  public struct AsyncIterator: AsyncIteratorProtocol {
    let consumer: WatchConsumer
    /// A sign of life came first in the snapshot: the next event begins it.
    private var snapshotBegun = false

    init(consumer: WatchConsumer) { self.consumer = consumer }

    /// `nil` after the server ended the stream with OK.
    public mutating func next() async throws(RPCError) -> WatchEvent<Message>? {
      try await next(isolation: nil)
    }

    public mutating func next(
      isolation actor: isolated (any Actor)?
    ) async throws(RPCError) -> WatchEvent<Message>? {
      while true {
        switch await consumer.source.next() {
        case .end(let status):
          if status.code == .ok { return nil }
          throw RPCError(status)
        case .gone(let key, let seq, let epoch):
          return WatchEvent(
            message: nil, seq: seq, safeSeq: nil, epoch: epoch, conflated: false, snapshot: false, removed: true,
            key: key)
        case .message(let message, let epoch, let key):
          var event = try decode(message, epoch, key)
          event.snapshot = event.snapshot || snapshotBegun
          // Neither value nor bookmark: the server lives and its snapshot is not whole yet. Nothing to act on.
          snapshotBegun = event.message == nil && event.safeSeq == nil && event.snapshot
          if event.message != nil || event.safeSeq != nil { return event }
        }
      }
    }

    private func decode(
      _ message: StreamMessage, _ epoch: UInt64, _ key: String
    ) throws(RPCError) -> WatchEvent<Message> {
      let meta = message.meta
      var value: Message?
      if let bytes = message.bytes {
        do {
          value = try bytes.withUnsafeBytes { try Message(protobuf: $0, limits: DecodingLimits()) }
        } catch {
          consumer.source.cancel()
          throw RPCError(.internal, "response: \(error)")
        }
      }
      return WatchEvent(
        message: value, seq: meta.seq ?? 0, safeSeq: meta.safeSeq ?? (value == nil ? nil : meta.seq), epoch: epoch,
        conflated: message.conflated, snapshot: meta.snapshot, removed: meta.removed,
        key: key)
    }
  }

  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(consumer: WatchConsumer(source, caller)) }

  /// Ends the stream; the loop over it throws ``StatusCode/cancelled``.
  public func cancel() { source.cancel() }
}

/// Cancels the stream when the last iterator over it is gone.
final class WatchConsumer: Sendable {
  let source: any WatchSource
  private let caller: any RPCCaller

  init(_ source: any WatchSource, _ caller: any RPCCaller) {
    self.source = source
    self.caller = caller
  }

  deinit { source.cancel() }
}

/// What comes next of a stream.
enum WatchNext {
  case message(StreamMessage, epoch: UInt64, key: String)
  /// A key no longer exists, and nobody says what its last value was.
  case gone(key: String, seq: UInt64, epoch: UInt64)
  case end(EndStatus)
}

/// Where a stream's messages come from: one connection, or as many as it takes.
protocol WatchSource: AnyObject, Sendable {
  func next() async -> WatchNext
  func cancel()
}
