internal import Foundation

/// The passwords of an installation's roles in a database that others administer. They never leave this machine: its
/// administrator gets what PostgreSQL keeps of them (`terraned init-sql`).
public struct DatabaseLogins: Codable, Sendable, Equatable {
  public var server: String
  public var dataAPI: String
  /// One of each worker slot.
  public var slots: [String]

  enum CodingKeys: String, CodingKey {
    case server
    case dataAPI = "data_api"
    case slots
  }
}

extension CredentialStore {
  /// DATA/credentials/database.json, mode 0600.
  public var databaseLoginsPath: String { directory + "/database.json" }

  /// What was drawn before; nil: nothing yet.
  public func databaseLogins() throws(CredentialError) -> DatabaseLogins? {
    guard let bytes = try PrivateFile.readIfPresent(databaseLoginsPath) else { return nil }
    do { return try JSONDecoder().decode(DatabaseLogins.self, from: Data(bytes)) } catch {
      throw CredentialError(.damaged, "\(databaseLoginsPath) is damaged; remove it, and run terraned init-sql again.")
    }
  }

  /// Draws the passwords that are missing: all of them, or those of slots that were added.
  public func prepareDatabaseLogins(slots: Int) throws(CredentialError) -> DatabaseLogins {
    try PrivateFile.makeDirectory(directory, mode: 0o750, owner: directoryOwner)
    let lock = try StoreLock(directory: directory)
    defer { lock.release() }
    var logins =
      try databaseLogins() ?? DatabaseLogins(server: Self.newPassword(), dataAPI: Self.newPassword(), slots: [])
    let before = logins
    while logins.slots.count < slots { logins.slots.append(Self.newPassword()) }
    guard logins != before || !FileManager.default.fileExists(atPath: databaseLoginsPath) else { return logins }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    guard let data = try? encoder.encode(logins) else {
      throw CredentialError(.damaged, "the logins cannot be written")
    }
    try PrivateFile.write(Array(data) + [0x0A], to: databaseLoginsPath, mode: 0o600, owner: directoryOwner)
    return logins
  }

  /// 128 bits of the system's generator.
  private static func newPassword() -> String {
    var generator = SystemRandomNumberGenerator()
    return (0..<16).map { _ in
      let byte = UInt8.random(in: .min ... .max, using: &generator)
      return String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
    }.joined()
  }
}
