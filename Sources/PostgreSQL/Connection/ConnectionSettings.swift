/// Where a session goes and as whom.
public struct ConnectionSettings: Sendable, Equatable {
  /// A host name, an address, or the absolute path of the directory that holds the server's Unix socket.
  public var host: String
  public var port: UInt16
  public var database: String
  public var user: String
  public var password: String?
  /// Shown in pg_stat_activity; at most 63 bytes reach the server.
  public var applicationName: String
  /// Run-time settings of the session, such as `search_path` or `lock_timeout` (`2000` or `2s`).
  public var runtimeSettings: [String: String]
  /// Further libpq keywords, such as `sslmode` and `sslrootcert`.
  public var keywords: [String: String]
  /// How long opening a session may take, per address of the host.
  public var connectTimeout: Duration

  public init(
    host: String, port: UInt16 = 5432, database: String, user: String, password: String? = nil,
    applicationName: String = "terrane", runtimeSettings: [String: String] = [:], keywords: [String: String] = [:],
    connectTimeout: Duration = .seconds(10)
  ) {
    self.host = host
    self.port = port
    self.database = database
    self.user = user
    self.password = password
    self.applicationName = applicationName
    self.runtimeSettings = runtimeSettings
    self.keywords = keywords
    self.connectTimeout = connectTimeout
  }

  /// The same settings with `lock_timeout` set: a statement that waits longer for a lock fails with SQLSTATE 55P03.
  public func lockTimeout(_ timeout: Duration) -> ConnectionSettings { setting("lock_timeout", timeout) }

  /// The same settings with `statement_timeout` set: a longer statement fails with ``PostgresError/Kind/timeout``.
  public func statementTimeout(_ timeout: Duration) -> ConnectionSettings { setting("statement_timeout", timeout) }

  /// The same settings for a session of few statements that run all the time: each is planned once, whatever its
  /// parameters, and again when its tables have been analysed.
  public func planningOnce() -> ConnectionSettings {
    var copy = self
    copy.runtimeSettings["plan_cache_mode"] = "force_generic_plan"
    return copy
  }

  /// The same settings under another application name.
  public func named(_ applicationName: String) -> ConnectionSettings {
    var copy = self
    copy.applicationName = applicationName
    return copy
  }

  private func setting(_ name: String, _ timeout: Duration) -> ConnectionSettings {
    var copy = self
    copy.runtimeSettings[name] = "\(max(1, timeout.milliseconds))"
    return copy
  }
}

extension ConnectionSettings {
  /// What libpq is given, keyword by keyword.
  func libpqKeywords() -> [(String, String)] {
    var result: [(String, String)] = [
      ("host", host), ("port", String(port)), ("dbname", database), ("user", user),
      ("application_name", applicationName), ("client_encoding", "UTF8"),
      ("connect_timeout", String(max(2, (connectTimeout.milliseconds + 999) / 1000))),
    ]
    if let password { result.append(("password", password)) }
    // A peer that vanished is noticed within about half a minute; Unix sockets ignore these.
    if !host.hasPrefix("/") {
      result += [("keepalives_idle", "10"), ("keepalives_interval", "5"), ("keepalives_count", "3")]
      result.append(("tcp_user_timeout", "20000"))
    }
    if !runtimeSettings.isEmpty {
      let options = runtimeSettings.sorted { $0.key < $1.key }.map { "-c \($0.key)=\(Self.escaped($0.value))" }
      result.append(("options", options.joined(separator: " ")))
    }
    result += keywords.sorted { $0.key < $1.key }
    return result
  }

  /// libpq's `options` splits at blanks; a backslash protects the next character.
  private static func escaped(_ value: String) -> String {
    var result = ""
    for character in value {
      if character == " " || character == "\\" || character == "\t" || character == "\n" { result.append("\\") }
      result.append(character)
    }
    return result
  }
}

extension Duration {
  var milliseconds: Int64 {
    let parts = components
    return parts.seconds * 1000 + parts.attoseconds / 1_000_000_000_000_000
  }
}
