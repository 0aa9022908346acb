package import FramedMessages
internal import ProtobufFacade

/// How a stream ends, before it is bytes.
package struct EndStatus: Sendable, Hashable, Error {
  package var code: StatusCode
  package var message: String
  package var details: [ErrorDetail]
  package var trailers: [MetadataEntry]
  package var retryAfterMs: Int32?
  package var resumeSeq: UInt64?
  /// Not executed: safe to try again.
  package var refused: Bool

  package init(
    _ code: StatusCode, _ message: String = "", details: [ErrorDetail] = [], trailers: [MetadataEntry] = [],
    retryAfterMs: Int32? = nil, resumeSeq: UInt64? = nil, refused: Bool = false
  ) {
    self.code = code
    self.message = message
    self.details = details
    self.trailers = trailers
    self.retryAfterMs = retryAfterMs
    self.resumeSeq = resumeSeq
    self.refused = refused
  }

  package static let ok = EndStatus(.ok)

  /// The peer broke a rule of one stream.
  package static func protocolViolation(_ what: String) -> EndStatus {
    EndStatus(.internal, what, details: [.errorInfo("PROTOCOL_VIOLATION")])
  }

  package static func messageTooLarge(_ size: UInt64, limit: Int) -> EndStatus {
    EndStatus(
      .resourceExhausted, "message of \(size) bytes, at most \(limit)",
      details: [.errorInfo("MESSAGE_TOO_LARGE", ["limit": "\(limit)", "size": "\(size)"])])
  }

  /// A QUEUE or BLOCK stream whose client does not keep up.
  static func slowConsumer(_ what: String) -> EndStatus {
    EndStatus(.resourceExhausted, what, details: [.errorInfo("SLOW_CONSUMER")])
  }

  var flags: FrameFlags { refused ? .refused : [] }

  /// The EndMeta, cut to its size: details go first, then trailers, then the message; code, retry_after_ms and
  /// resume_seq never. Empty for a plain OK.
  package func metaBytes() -> [UInt8] {
    if code == .ok, message.isEmpty, details.isEmpty, trailers.isEmpty, retryAfterMs == nil, resumeSeq == nil {
      return []
    }
    var meta = EndMeta()
    meta.code = UInt32(code.rawValue)
    meta.message = String(decoding: message.utf8Prefix(Limits.endMessageBytes), as: UTF8.self)
    meta.details = details.map(\.detail)
    meta.trailers = trailers.map(\.header)
    meta.retryAfterMs = retryAfterMs
    meta.resumeSeq = resumeSeq
    var bytes = meta.protobufBytes()
    while bytes.count > Limits.endMetaBytes {
      if !meta.details.isEmpty {
        meta.details.removeLast()
      } else if !meta.trailers.isEmpty {
        meta.trailers.removeLast()
      } else {
        // With the message alone the bytes are far under the limit: its own limit is 1 KiB.
        break
      }
      bytes = meta.protobufBytes()
    }
    return bytes
  }

  package init(_ meta: EndMeta, refused: Bool) {
    code = StatusCode(rawValue: Int32(truncatingIfNeeded: meta.code)) ?? .unknown
    message = meta.message
    details = meta.details.map { ErrorDetail($0) }
    trailers = meta.trailers.map { MetadataEntry($0) }
    retryAfterMs = meta.retryAfterMs
    resumeSeq = meta.resumeSeq
    self.refused = refused
  }
}
