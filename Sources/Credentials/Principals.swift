public import Foundation

/// What `principals.json` says of one principal.
public struct PrincipalEntry: Sendable, Codable, Equatable {
  /// What it may do.
  public var role: Role
  /// Namespaces it may do it in; `*` is every namespace.
  public var namespaces: [String]
  public var issuedAt: Date
  /// Serial number of the newest certificate, lower-case hex.
  public var serial: String
  /// When the newest certificate runs out.
  public var expiresAt: Date

  public init(role: Role, namespaces: [String] = ["*"], issuedAt: Date, serial: String, expiresAt: Date) {
    self.role = role
    self.namespaces = namespaces
    self.issuedAt = issuedAt
    self.serial = serial
    self.expiresAt = expiresAt
  }

  enum CodingKeys: String, CodingKey {
    case role, namespaces, serial
    case issuedAt = "issued_at"
    case expiresAt = "expires_at"
  }

  /// Whether it may act as `role` in `namespace`; nil: a call that concerns no namespace.
  public func allows(_ role: Role, in namespace: String? = nil) -> Bool {
    guard self.role >= role else { return false }
    guard let namespace else { return true }
    return namespaces.contains("*") || namespaces.contains(namespace)
  }
}

/// The content of `principals.json`: certificate URI → entry. Who is not in it may do nothing, so removing an entry revokes.
public struct Principals: Sendable, Equatable {
  /// By URI, such as `terrane:principal:mara`.
  public var entries: [String: PrincipalEntry]

  public init(entries: [String: PrincipalEntry] = [:]) { self.entries = entries }

  public subscript(uri: String) -> PrincipalEntry? { entries[uri] }

  /// The URI in the certificates of principal `name`.
  public static func uri(of name: String) -> String { "terrane:principal:" + name }

  /// `[a-z0-9][a-z0-9._-]{0,62}`.
  public static func isValid(name: String) -> Bool {
    func isAlphanumeric(_ byte: UInt8) -> Bool {
      (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
    let bytes = name.utf8
    guard let first = bytes.first, isAlphanumeric(first), bytes.count <= 63 else { return false }
    return bytes.allSatisfy {
      isAlphanumeric($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-")
    }
  }

  init(json: [UInt8], path: String) throws(CredentialError) {
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .iso8601
    do {
      entries = try decoder.decode([String: PrincipalEntry].self, from: Data(json))
    } catch {
      throw CredentialError(.damaged, "\(path) is not a table of principals: \(error)")
    }
  }

  func json() throws(CredentialError) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.dateEncodingStrategy = .iso8601
    do {
      return [UInt8](try encoder.encode(entries)) + [UInt8(ascii: "\n")]
    } catch {
      throw CredentialError(.damaged, "The table of principals cannot be written: \(error)")
    }
  }
}
