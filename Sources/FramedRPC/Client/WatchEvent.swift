internal import FramedCore
internal import FramedMessages
public import ProtobufFacade

/// One thing a stream says: a value, the removal of one, or a bookmark.
public struct WatchEvent<Message: ProtobufMessage>: Sendable, Equatable {
  /// The value; `nil` on a bookmark.
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

  /// Says how far the watcher has come, and nothing else.
  public var isBookmark: Bool { message == nil }
}

/// The events of one stream, in order; for one consumer. Bytes not yet taken count against the stream's credit, so a
/// slow consumer makes the server skip to newer values (LATEST), wait (BLOCK) or give up (QUEUE), and never fills memory. Leaving the loop over it cancels the
/// stream.
public struct WatchStream<Message: ProtobufMessage>: AsyncSequence, Sendable {
  public typealias Element = WatchEvent<Message>
  public typealias Failure = RPCError

  let call: WatchCall
  /// A client that nobody holds closes: whoever watches holds it.
  let client: RPCClient

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
        switch await consumer.call.next() {
        case .end(let status):
          if status.code == .ok { return nil }
          throw RPCError(status)
        case .message(let message, let epoch):
          var event = try decode(message, epoch)
          event.snapshot = event.snapshot || snapshotBegun
          // Neither value nor bookmark: the server lives and its snapshot is not whole yet. Nothing to act on.
          snapshotBegun = event.message == nil && event.safeSeq == nil && event.snapshot
          if event.message != nil || event.safeSeq != nil { return event }
        }
      }
    }

    private func decode(_ message: StreamMessage, _ epoch: UInt64) throws(RPCError) -> WatchEvent<Message> {
      let meta = message.meta
      var value: Message?
      if let bytes = message.bytes {
        do {
          value = try bytes.withUnsafeBytes { try Message(protobuf: $0, limits: DecodingLimits()) }
        } catch {
          consumer.call.cancel()
          throw RPCError(.internal, "response: \(error)")
        }
      }
      return WatchEvent(
        message: value, seq: meta.seq ?? 0, safeSeq: meta.safeSeq ?? (value == nil ? nil : meta.seq), epoch: epoch,
        conflated: message.conflated, snapshot: meta.snapshot, removed: meta.removed)
    }
  }

  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(consumer: WatchConsumer(call, client)) }

  /// Ends the stream; the loop over it throws ``StatusCode/cancelled``.
  public func cancel() { call.cancel() }
}

/// Cancels the stream when the last iterator over it is gone.
final class WatchConsumer: Sendable {
  let call: WatchCall
  private let client: RPCClient

  init(_ call: WatchCall, _ client: RPCClient) {
    self.call = call
    self.client = client
  }

  deinit { call.cancel() }
}
