public import ProtobufFacade

/// One thing a LATEST stream says: a value, the removal of one, or a bookmark.
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

/// The events of one stream, in order. Bytes not yet taken count against the stream's credit, so a slow consumer makes
/// the server skip to newer values and never fills memory. Leaving the loop cancels the stream.
public struct WatchStream<Message: ProtobufMessage>: AsyncSequence, Sendable {
  public typealias Element = WatchEvent<Message>
  public typealias Failure = RPCError

  public struct AsyncIterator: AsyncIteratorProtocol {
    /// `nil` after the server ended the stream with OK.
    public mutating func next() async throws(RPCError) -> WatchEvent<Message>? { nil }
    public mutating func next(isolation actor: isolated (any Actor)?) async throws(RPCError) -> WatchEvent<Message>? {
      nil
    }
  }

  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator() }

  /// Ends the stream; the loop over it throws ``StatusCode/cancelled``.
  public func cancel() {}
}
