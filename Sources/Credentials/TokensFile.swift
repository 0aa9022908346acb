internal import COpenSSL
public import Foundation
import Synchronization

/// What `tokens.json` says of one bearer token; the token itself is written nowhere.
public struct TokenEntry: Sendable, Codable, Equatable {
  /// Whom it stands for: `terrane:principal:mara`.
  public var principal: String
  public var issuedAt: Date
  public var expiresAt: Date

  enum CodingKeys: String, CodingKey {
    case principal
    case issuedAt = "issued_at"
    case expiresAt = "expires_at"
  }
}

/// The bearer tokens of an installation: SHA-256 of the token, lower-case hex → entry.
///
/// A token has 256 random bits, so that one hash is enough: there is nothing to guess.
public struct Tokens: Sendable, Equatable {
  public var entries: [String: TokenEntry] = [:]

  /// `terrane_` and 43 characters of base64url. Told once, to whoever it is for.
  static func make() -> String {
    let bytes = (0..<32).map { _ in UInt8.random(in: .min ... .max) }
    let text = Data(bytes).base64EncodedString()
      .replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
      .replacingOccurrences(of: "=", with: "")
    return "terrane_" + text
  }

  /// What stands for a token in the file.
  public static func hash(_ token: String) -> String {
    var digest = [UInt8](repeating: 0, count: 32)
    let bytes = Array(token.utf8)
    SHA256(bytes, bytes.count, &digest)
    return digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  init(entries: [String: TokenEntry] = [:]) { self.entries = entries }

  init(json: [UInt8], path: String) throws(CredentialError) {
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .iso8601
    do {
      entries = try decoder.decode([String: TokenEntry].self, from: Data(json))
    } catch {
      throw CredentialError(.damaged, "\(path) is not a table of tokens: \(error)")
    }
  }

  func json() throws(CredentialError) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.dateEncodingStrategy = .iso8601
    do {
      return [UInt8](try encoder.encode(entries)) + [UInt8(ascii: "\n")]
    } catch {
      throw CredentialError(.damaged, "The table of tokens cannot be written: \(error)")
    }
  }
}

/// `tokens.json` as a server reads it: again whenever it changed. A file that is gone or cannot be understood lets nobody in.
public final class TokensFile: Sendable {
  private let file: WatchedFile<Tokens>

  /// - Parameter onDamage: called once for each state of the file that cannot be read.
  public init(path: String, onDamage: @escaping @Sendable (CredentialError) -> Void = { _ in }) {
    file = WatchedFile(path: path, empty: Tokens(), onDamage: onDamage) { bytes throws(CredentialError) in
      try Tokens(json: bytes, path: path)
    }
  }

  /// The entry of a token; nil: there is none. One that is not known is looked up in the file as it is.
  public subscript(token: String) -> TokenEntry? {
    let hash = Tokens.hash(token)
    return file.current.entries[hash] ?? file.newest.entries[hash]
  }
}
