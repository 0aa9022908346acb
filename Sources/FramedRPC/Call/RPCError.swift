/// Why a call failed, as the server said it or as the client found it.
///
/// Set-up mistakes (a certificate that cannot be read, a port in use) are ``RuntimeError``s: they never cross the wire.
public struct RPCError: Error, Sendable, Hashable {
  public var code: StatusCode
  /// For people, at most 1 KiB on the wire.
  public var message: String
  /// For programs: stable, typed reasons.
  public var details: [ErrorDetail]
  /// Sent beside the error; values of any kind.
  public var trailers: [MetadataEntry]
  /// When trying again may help; negative: do not try again.
  public var retryAfter: Duration?
  /// The server did not start the call: trying again is safe for every method.
  public var refused: Bool
  /// On streams: from where to resume without loss.
  public var resumeSeq: UInt64?

  public init(
    _ code: StatusCode,
    _ message: String,
    details: [ErrorDetail] = [],
    trailers: [MetadataEntry] = [],
    retryAfter: Duration? = nil,
    refused: Bool = false,
    resumeSeq: UInt64? = nil
  ) {
    self.code = code
    self.message = message
    self.details = details
    self.trailers = trailers
    self.retryAfter = retryAfter
    self.refused = refused
    self.resumeSeq = resumeSeq
  }
}

extension RPCError: CustomStringConvertible {
  public var description: String { "\(code): \(message)\(refused ? " (refused)" : "")" }
}

/// Something outside a call went wrong: set-up, a certificate, a connection that could not be made.
public struct RuntimeError: Error, Sendable, Hashable, CustomStringConvertible {
  /// What kind of thing failed; new kinds may come.
  public struct Kind: Sendable, Hashable, CustomStringConvertible {
    public let description: String

    /// A certificate, key or authority could not be read or does not fit.
    public static let certificate = Kind(description: "CERTIFICATE")
    /// The peer refused the TLS handshake, or we refused the peer.
    public static let handshake = Kind(description: "HANDSHAKE")
    /// No connection: refused, unreachable, timed out.
    public static let connect = Kind(description: "CONNECT")
    /// The address could not be listened on.
    public static let listen = Kind(description: "LISTEN")
    /// The API was used in an order it does not have.
    public static let misuse = Kind(description: "MISUSE")
  }

  public let kind: Kind
  public let message: String

  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  public var description: String { "\(kind): \(message)" }
}
