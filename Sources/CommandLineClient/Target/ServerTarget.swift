import Foundation

/// Which server a command speaks to, and as whom.
public struct ServerTarget: Sendable, Equatable {
  public var host: String
  public var port: Int
  /// client.pem, client.key, ca.pem; or token, ca.pem.
  public var credentials: String
  /// A socket in place of host and port; no credentials are needed there.
  public var socket: String?
  /// What the server of this machine says of itself; nil where `--server` names another.
  public var endpoint: EndpointFile?
  /// The data directory that was used.
  public var data: String

  /// The credentials are a bearer token, not a certificate.
  public var hasToken: Bool {
    access(credentials + "/client.pem", F_OK) != 0 && access(credentials + "/token", F_OK) == 0
  }

  /// The bearer token, read anew each time: it may have been replaced.
  public var token: String? {
    (try? String(contentsOfFile: credentials + "/token", encoding: .utf8))?
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }

  /// On this machine: paths mean the same on both sides.
  public var isLocal: Bool { socket != nil || ["127.0.0.1", "::1", "localhost"].contains(host) }

  public var address: String { socket.map { "unix:" + $0 } ?? hostAndPort }
  private var hostAndPort: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Finds the server: a flag, else a TERRANE_* variable, else what the server of this machine wrote down.
public struct ServerLocator: Sendable {
  public var server: String?
  public var credentials: String?
  public var data: String?
  public var environment: [String: String]
  /// Where a server started by root keeps its data.
  public var systemData = "/var/lib/terrane"

  public init(
    server: String? = nil, credentials: String? = nil, data: String? = nil,
    environment: [String: String]
  ) {
    self.server = server ?? environment["TERRANE_SERVER"].flatMap { $0.isEmpty ? nil : $0 }
    self.credentials = credentials ?? environment["TERRANE_CREDENTIALS"].flatMap { $0.isEmpty ? nil : $0 }
    self.data = data ?? environment["TERRANE_DATA"].flatMap { $0.isEmpty ? nil : $0 }
    self.environment = environment
  }

  /// The data directories to look in, the likeliest first.
  public var candidates: [String] {
    if let data { return [data] }
    var places = [systemData]
    if let home = environment["XDG_DATA_HOME"], !home.isEmpty {
      places.append(home + "/terrane")
    } else if let home = environment["HOME"], !home.isEmpty {
      places.append(home + "/.local/share/terrane")
    }
    return places
  }

  /// The first candidate with a running server, else with one that has run, else the first that exists.
  public var dataDirectory: String {
    let found = candidates.compactMap { place in EndpointFile(data: place).map { (place, $0) } }
    if let live = found.first(where: { $0.1.isAlive != false }) { return live.0 }
    if let dead = found.first { return dead.0 }
    return candidates.first { FileManager.default.fileExists(atPath: $0) } ?? candidates[0]
  }

  /// Looks anew each time: a server that was restarted may listen elsewhere.
  public func locate() throws(CommandLineError) -> ServerTarget {
    let data = dataDirectory
    let endpoint = EndpointFile(data: data)
    let credentials = credentials ?? data + "/credentials/local-admin"
    if let server, server.hasPrefix("unix:") {
      return ServerTarget(
        host: "localhost", port: 0, credentials: credentials, socket: String(server.dropFirst(5)), endpoint: endpoint,
        data: data)
    }
    let (host, port): (String, Int)
    if let server {
      (host, port) = try Self.address(server)
    } else {
      guard let endpoint else { throw noServer() }
      guard endpoint.isAlive != false else {
        throw CommandLineError(
          .unreachable, "SERVER_UNREACHABLE",
          "No server is running: the one with its data in \(data) (process \(endpoint.pid ?? 0)) has ended.",
          remedy: Self.startRemedy)
      }
      (host, port) = try Self.address(endpoint.rpc)
    }
    let target = ServerTarget(
      host: host, port: port, credentials: credentials, endpoint: server == nil ? endpoint : nil, data: data)
    try requireReadable(target)
    return target
  }

  /// How to start one.
  public static let startRemedy = "Start one with: make serve ROOT=/path/to/your/files"

  static func address(_ text: String) throws(CommandLineError) -> (String, Int) {
    let parts = text.hasPrefix("[") ? text.dropFirst().components(separatedBy: "]:") : Self.split(text)
    guard parts.count == 2, !parts[0].isEmpty, text.hasPrefix("[") || !parts[0].contains(":"),
      let port = UInt16(parts[1]), port > 0
    else {
      throw CommandLineError(
        .badRequest, "INVALID_ARGUMENT", "\"\(TerminalText.sanitised(text))\" is not the address of a server.",
        remedy: "Give HOST:PORT, such as 127.0.0.1:7411 or [::1]:7411.")
    }
    return (parts[0], Int(port))
  }

  private static func split(_ text: String) -> [String] {
    guard let colon = text.lastIndex(of: ":") else { return [text, "7411"] }
    return [String(text[..<colon]), String(text[text.index(after: colon)...])]
  }

  private func noServer() -> CommandLineError {
    let hidden = candidates.first { place in
      access(place, F_OK) == 0 && access(EndpointFile.path(in: place), R_OK) != 0 && errno == EACCES
    }
    if let hidden {
      return CommandLineError(
        .unreachable, "SERVER_UNREACHABLE",
        "You may not look into \(hidden), where the server of this machine keeps its data.",
        remedy: "Become a member of group terrane (sudo usermod -aG terrane $USER, then log in again), or use sudo.")
    }
    return CommandLineError(
      .unreachable, "SERVER_UNREACHABLE",
      "No server is running on this machine (looked for \(candidates.map(EndpointFile.path).joined(separator: " and "))).",
      remedy: Self.startRemedy + "\nor name one elsewhere: --server HOST:PORT --credentials DIR")
  }

  private func requireReadable(_ target: ServerTarget) throws(CommandLineError) {
    for name in target.hasToken ? ["ca.pem", "token"] : ["ca.pem", "client.pem", "client.key"] {
      let path = target.credentials + "/" + name
      if access(path, R_OK) == 0 { continue }
      if errno == EACCES {
        throw CommandLineError(
          .badRequest, "CREDENTIALS_UNREADABLE", "You may not read \(path).",
          remedy: """
            Become a member of group terrane (sudo usermod -aG terrane $USER, then log in again), use sudo, or get \
            credentials of your own: sudo terrane credentials issue YOUR-NAME --role editor
            """)
      }
      throw CommandLineError(
        .badRequest, "CREDENTIALS_MISSING", "There is no \(path).",
        remedy: """
          Name the folder of your credentials with --credentials DIR. They are made on the server's machine with: \
          terrane credentials issue YOUR-NAME --role editor
          """)
    }
  }
}
