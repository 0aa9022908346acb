/// Why credentials could not be made or read.
public struct CredentialError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Stable kinds; further ones may come.
  public enum Kind: String, Sendable {
    /// A principal's name or a TLS name outside its charset.
    case invalidName
    /// A file or directory cannot be read or written; `message` has the path and the system's reason.
    case file
    /// The CA is missing where it must exist: nothing has been started with this data directory yet.
    case noAuthority
    /// A file is there, and is not what it should be.
    case damaged
    /// The CA's own certificate has run out.
    case authorityExpired
    /// The bundle's directory holds the credentials of somebody else.
    case occupied
    /// OpenSSL refused an operation that must not fail.
    case cryptography
  }

  public let kind: Kind
  /// One sentence a person understands.
  public let message: String

  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  public var description: String { message }
}
