/// How a call ended: gRPC's codes, numbers and meanings.
///
/// A peer may send a number unknown to this version; it reads as ``unknown``.
public enum StatusCode: Int32, Sendable, Hashable, CaseIterable {
  case ok = 0
  /// The caller gave the call up.
  case cancelled = 1
  case unknown = 2
  /// The request itself is wrong, whatever the state of the system.
  case invalidArgument = 3
  /// The time ran out before the call was done; it may still have had its effect.
  case deadlineExceeded = 4
  case notFound = 5
  case alreadyExists = 6
  case permissionDenied = 7
  /// A limit was reached: streams, message size, memory, a quota.
  case resourceExhausted = 8
  /// The system is not in the state the call needs.
  case failedPrecondition = 9
  case aborted = 10
  case outOfRange = 11
  case unimplemented = 12
  /// An invariant broke, in the peer or in the transport.
  case `internal` = 13
  /// Not now: the server is draining, starting or lost its database. Safe to try again where the call is.
  case unavailable = 14
  case dataLoss = 15
  case unauthenticated = 16
}

extension StatusCode {
  /// As gRPC writes it: `DEADLINE_EXCEEDED`.
  public var name: String {
    switch self {
    case .ok: "OK"
    case .cancelled: "CANCELLED"
    case .unknown: "UNKNOWN"
    case .invalidArgument: "INVALID_ARGUMENT"
    case .deadlineExceeded: "DEADLINE_EXCEEDED"
    case .notFound: "NOT_FOUND"
    case .alreadyExists: "ALREADY_EXISTS"
    case .permissionDenied: "PERMISSION_DENIED"
    case .resourceExhausted: "RESOURCE_EXHAUSTED"
    case .failedPrecondition: "FAILED_PRECONDITION"
    case .aborted: "ABORTED"
    case .outOfRange: "OUT_OF_RANGE"
    case .unimplemented: "UNIMPLEMENTED"
    case .internal: "INTERNAL"
    case .unavailable: "UNAVAILABLE"
    case .dataLoss: "DATA_LOSS"
    case .unauthenticated: "UNAUTHENTICATED"
    }
  }
}

/// A typed detail of an error: a serialised message and the name of its type, as in `google.protobuf.Any`.
public struct ErrorDetail: Sendable, Hashable {
  /// `type.googleapis.com/google.rpc.ErrorInfo` and the like.
  public var typeURL: String
  /// The message in protobuf's binary form.
  public var value: [UInt8]

  public init(typeURL: String, value: [UInt8]) {
    self.typeURL = typeURL
    self.value = value
  }
}

/// One key and value sent beside a message. Keys match `[a-z0-9_.-]+` and may repeat; values are any bytes.
public struct MetadataEntry: Sendable, Hashable {
  public var key: String
  public var value: [UInt8]

  public init(key: String, value: [UInt8]) {
    self.key = key
    self.value = value
  }

  public init(key: String, text: String) {
    self.init(key: key, value: Array(text.utf8))
  }
}

/// Where a watcher resumes: the source's epoch, and the highest `safeSeq` the watcher has seen in it.
public struct Resume: Sendable, Hashable {
  public var epoch: UInt64
  public var afterSeq: UInt64

  public init(epoch: UInt64, afterSeq: UInt64) {
    self.epoch = epoch
    self.afterSeq = afterSeq
  }
}
