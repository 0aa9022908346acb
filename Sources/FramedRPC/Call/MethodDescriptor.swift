/// What the `.proto` file says of one method; generated code makes these.
public struct MethodDescriptor: Sendable, Hashable {
  /// How responses are sent (option `framedrpc.v1.method.stream`).
  public enum StreamMode: Sendable, Hashable {
    /// One response: a unary method.
    case none
    /// The newest value of every key; older ones give way to newer ones while the watcher is slow.
    case latest
    /// Every message, kept in a bounded queue.
    case queue
    /// Every message; the handler waits for the watcher.
    case block
  }

  /// What a client may do when it does not know whether a call ran.
  public enum Idempotency: Sendable, Hashable {
    case unspecified
    /// Running it twice is the same as once.
    case idempotent
    /// Safe to send again with the same request id.
    case requestID
  }

  /// The full name: `terrane.v1.DatasetService/CreateDataset`.
  public let name: String
  public let stream: StreamMode
  /// The response field that names what a LATEST value is about; `nil`: one slot.
  public let keyField: String?
  /// The field's number.
  public let keyNumber: UInt32?
  public let idempotency: Idempotency
  /// The role a caller needs; what it means is the ``Authorizer``'s business.
  public let role: String?
  /// Used when the caller gives no timeout. `nil`: the server's default for unary methods, none for streams.
  public let defaultTimeout: Duration?
  /// The stable error reasons the method may answer with.
  public let reasons: [String]
  /// For ``StreamMode/queue``: how many messages wait at most.
  public let queueSize: Int

  public init(
    name: String,
    stream: StreamMode = .none,
    keyField: String? = nil,
    keyNumber: UInt32? = nil,
    idempotency: Idempotency = .unspecified,
    role: String? = nil,
    defaultTimeout: Duration? = nil,
    reasons: [String] = [],
    queueSize: Int = 0
  ) {
    self.name = name
    self.stream = stream
    self.keyField = keyField
    self.keyNumber = keyNumber
    self.idempotency = idempotency
    self.role = role
    self.defaultTimeout = defaultTimeout
    self.reasons = reasons
    self.queueSize = queueSize
  }

  /// Without a message stream: one request, one response.
  public var isUnary: Bool { stream == .none }
}
