public import FramedCore

/// What a caller may say about one call.
public struct CallOptions: Sendable {
  /// `nil`: the server's default for unary calls, unlimited for streams.
  public var timeout: Duration?
  /// 16 bytes that make sending the call again safe, where the method allows it.
  public var requestID: [UInt8]?
  /// Streams: go on from here.
  public var resume: Resume?
  public var metadata: [MetadataEntry] = []
  public var traceparent: String?
  public var tracestate: String?
  /// Streams: bytes that may be on the way, unread; `nil`: the connection's setting.
  public var initialCredit: UInt32?
  /// Streams: the longest silence; the server sends bookmarks in between.
  public var maxSilence: Duration?
  /// How often the call was sent before.
  var attempt: UInt32 = 0

  public init(timeout: Duration? = nil, requestID: [UInt8]? = nil, resume: Resume? = nil) {
    self.timeout = timeout
    self.requestID = requestID
    self.resume = resume
  }
}
