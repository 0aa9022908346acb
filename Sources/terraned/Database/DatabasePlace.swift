internal import Foundation
internal import PostgreSQL

/// Where a database is, without who logs in: `postgresql://HOST[:PORT]/NAME[?sslmode=…&sslrootcert=…]`, or with the folder of a
/// Unix socket as `?host=/FOLDER`.
struct DatabasePlace: Sendable, Equatable {
  /// A host name, an address, or the folder of a Unix socket.
  var host: String
  var port: UInt16 = 5432
  var name: String
  /// libpq's keywords for TLS.
  var keywords: [String: String] = [:]

  /// What may stand behind the question mark.
  private static let parameters: Set = ["host", "port", "sslmode", "sslrootcert", "sslcrl"]
  private static let modes: Set = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]

  init(host: String, name: String) {
    self.host = host
    self.name = name
  }

  /// Reads a URL. One that holds a password is refused: whoever may list processes or settings would know it.
  init(url: String) throws(SettingsError) {
    guard let parts = URLComponents(string: url), ["postgresql", "postgres"].contains(parts.scheme) else {
      throw SettingsError("--database is no URL like postgresql://HOST:PORT/NAME")
    }
    guard parts.user == nil, parts.password == nil else {
      throw SettingsError(
        "--database takes no user and no password: terraned logs in as roles of its own, whose passwords it keeps; "
          + "terraned init-sql prints what the database needs")
    }
    var items: [String: String] = [:]
    for item in parts.queryItems ?? [] {
      guard Self.parameters.contains(item.name), let value = item.value, !value.isEmpty, !value.utf8.contains(0) else {
        throw SettingsError(
          "--database: '\(item.name)' cannot be set; what can: \(Self.parameters.sorted().joined(separator: ", "))")
      }
      items[item.name] = value
    }
    let host = items["host"] ?? parts.host.map { $0.trimmingCharacters(in: CharacterSet(charactersIn: "[]")) } ?? ""
    let name = String(parts.path.dropFirst())
    guard !host.isEmpty, !name.isEmpty, !name.contains("/"), !(host + name).utf8.contains(0) else {
      throw SettingsError("--database names no \(host.isEmpty ? "host" : "database"): postgresql://HOST:PORT/NAME")
    }
    self.host = host
    self.name = name
    if let text = items["port"] ?? parts.port.map(String.init) {
      guard let port = UInt16(text), port > 0 else { throw SettingsError("--database: '\(text)' is no port") }
      self.port = port
    }
    for key in ["sslmode", "sslrootcert", "sslcrl"] { keywords[key] = items[key] }
    if let mode = keywords["sslmode"], !Self.modes.contains(mode) {
      throw SettingsError("--database: sslmode is one of \(Self.modes.sorted().joined(separator: ", "))")
    }
    // Another machine has to show who it is, unless the URL says otherwise.
    if !isLocal, keywords["sslmode"] == nil { keywords["sslmode"] = "verify-full" }
  }

  private var isLocal: Bool { host.hasPrefix("/") || ["localhost", "127.0.0.1", "::1"].contains(host) }

  /// For people.
  var description: String { host.hasPrefix("/") ? "\(name) at \(host)" : "\(name) at \(host):\(port)" }

  func login(_ user: String, _ password: String, applicationName: String) -> ConnectionSettings {
    ConnectionSettings(
      host: host, port: port, database: name, user: user, password: password, applicationName: applicationName,
      keywords: keywords)
  }

  /// libpq's variables of a login, for programs that are not ours.
  func environment(_ user: String, _ password: String) -> [String: String] {
    var variables = [
      "PGHOST": host, "PGPORT": "\(port)", "PGDATABASE": name, "PGUSER": user, "PGPASSWORD": password,
    ]
    variables["PGSSLMODE"] = keywords["sslmode"]
    variables["PGSSLROOTCERT"] = keywords["sslrootcert"]
    variables["PGSSLCRL"] = keywords["sslcrl"]
    return variables
  }
}
