internal import Datasets
internal import ArgumentParser
internal import Foundation
internal import Logging
internal import Yams

/// The options as flags; what is not given is looked up elsewhere by `Settings`.
struct SettingsOptions: ParsableArguments {
  @Option(help: "A YAML file with settings.") var config: String?
  @Option(help: "Where everything is kept (default: /var/lib/terrane as root, else $XDG_DATA_HOME/terrane).")
  var data: String?
  @Option(name: .customLong("root"), help: "A folder whose files may become datasets; repeat for several.")
  var roots: [String] = []
  @Option(help: "Address of the RPC port (default 127.0.0.1:7411; port 0: any free one).") var listen: String?
  @Option(help: "Address of the data API (default 127.0.0.1:7480; loopback only).") var dataAPI: String?
  @Option(help: "URL under which clients reach the data API (default: its address).") var publicURL: String?
  @Option(
    name: .customLong("tls-name"), help: "A further name or address for the server certificate; repeat for several.")
  var tlsNames: [String] = []
  @Option(help: "Tasks that run at once (default: one a core; 0: this server runs none).") var slots: Int?
  @Option(help: "The user to become when started by root (default terrane).") var user: String?
  @Option(help: "Folder with sql/, dataapi/ and the Python environment (default: found beside the program).") var share:
    String?
  @Option(help: "The worker program (default: terrane-task beside this program).") var taskProgram: String?
  @Option(help: "URL of a PostgreSQL that others run, prepared by init-sql (default: one of our own).") var database:
    String?
  @Option(help: "Folder of PostgreSQL's programs (default /usr/lib/postgresql/15/bin).") var postgresBin: String?
  @Option(help: "Seconds that what a failed operation built is kept for a retry (default 86400).") var retryWindow:
    Int64?
  @Option(help: "Seconds from delete to purge (default 604800).") var purgeAfter: Int64?
  @Option(help: "Seconds that a replaced build stays (default 600).") var replacedWindow: Int64?
  @Option(help: "Memory a task may use, in MiB (default 2048).") var taskMemory: Int64?
  @Option(help: "Size of a raster's pixels, in MB, from which it becomes tiles (default 2000).") var largeRaster: Int64?
  @Option(help: "Address where Prometheus may read what the server counts (loopback only; default: none).")
  var metrics: String?
  @Option(
    help: "Path of a Unix socket for programs of this user and of root, who are local-admin there (default: none).")
  var socket: String?
  @Flag(help: "Take bearer tokens (terrane credentials issue --token), from clients that need no certificate then.")
  var tokens = false
  @Flag(help: "Write a line for every call that ended.") var accessLog = false
  @Option(help: "trace, debug, info, notice, warning, error (default info).") var logLevel: String?
}

/// The settings in force: a flag, else TERRANE_<NAME>, else the file, else the default.
struct Settings: Sendable {
  var data: String
  var roots: [String]
  var listenHost: String
  var listenPort: Int
  var dataAPIHost: String
  var dataAPIPort: Int
  /// Nil: the data API's own address, once it is known.
  var publicURL: String?
  var tlsNames: [String]
  var slots: Int
  var user: String
  var share: String
  var python: String
  var taskProgram: String
  /// Nil: a private cluster.
  var database: DatabasePlace?
  var databaseURL: String?
  var postgresBin: String
  var retryWindow: Int64
  var purgeAfter: Int64
  var replacedWindow: Int64
  var taskMemory: Int64
  /// Megabytes.
  var largeRaster: Int64
  /// Nil: no such port.
  var metrics: (host: String, port: Int)?
  /// Nil: no such socket.
  var socket: String?
  var tokens: Bool
  var accessLog: Bool
  var logLevel: Logger.Level

  init(_ flags: SettingsOptions) throws(SettingsError) {
    let environment = ProcessInfo.processInfo.environment
    let file = try Self.file(flags.config ?? environment["TERRANE_CONFIG"])
    func text(_ flag: String?, _ name: String) throws(SettingsError) -> String? {
      if let flag { return flag }
      let variable = "TERRANE_" + name.uppercased().replacingOccurrences(of: "-", with: "_")
      if let value = environment[variable], !value.isEmpty { return value }
      switch file[name] {
      case nil: return nil
      case let value as String: return value
      case let value as Int: return String(value)
      case let value as Bool: return String(value)
      default: throw SettingsError("\(name) in the settings file is no text or number")
      }
    }
    func number<T: FixedWidthInteger>(_ flag: T?, _ name: String, _ standard: T, _ range: ClosedRange<T>)
      throws(SettingsError) -> T
    {
      guard let given = try text(flag.map { String($0) }, name) else { return standard }
      guard let value = T(given), range.contains(value) else {
        throw SettingsError("--\(name) '\(given)' is not a number from \(range.lowerBound) to \(range.upperBound)")
      }
      return value
    }
    func list(_ flags: [String], _ name: String) throws(SettingsError) -> [String] {
      if !flags.isEmpty { return flags }
      if let values = file[name] as? [String], environment["TERRANE_" + name.uppercased()] == nil { return values }
      return try text(nil, name)?.split(separator: ":").map(String.init) ?? []
    }

    data = Self.absolute(try text(flags.data, "data") ?? Self.defaultData(environment))
    roots = try list(flags.roots, "root").map(Self.absolute)
    (listenHost, listenPort) = try Self.address(try text(flags.listen, "listen") ?? "127.0.0.1:7411", "listen")
    (dataAPIHost, dataAPIPort) = try Self.address(try text(flags.dataAPI, "data-api") ?? "127.0.0.1:7480", "data-api")
    guard Self.loopback.contains(dataAPIHost) else {
      throw SettingsError("--data-api binds loopback only (127.0.0.1 or ::1), not \(dataAPIHost)")
    }
    publicURL = try text(flags.publicURL, "public-url").map { $0.hasSuffix("/") ? String($0.dropLast()) : $0 }
    if let publicURL, !publicURL.hasPrefix("http://"), !publicURL.hasPrefix("https://") {
      throw SettingsError("--public-url '\(publicURL)' is no http(s) URL")
    }
    tlsNames = try list(flags.tlsNames, "tls-name")
    slots = try number(flags.slots, "slots", max(1, ProcessInfo.processInfo.activeProcessorCount), 0...64)
    user = try text(flags.user, "user") ?? "terrane"
    let place = Self.programFolder
    let share = try text(flags.share, "share") ?? Self.shareFolder(near: place)
    guard let share else {
      throw SettingsError("cannot find sql/ and dataapi/; name their folder with --share")
    }
    self.share = Self.absolute(share)
    python =
      ["\(self.share)/venv/bin/python", "\(self.share)/.setup/venv/bin/python"].first {
        FileManager.default.isExecutableFile(atPath: $0)
      } ?? "python3"
    taskProgram = try text(flags.taskProgram, "task-program") ?? "\(place)/terrane-task"
    postgresBin = try text(flags.postgresBin, "postgres-bin") ?? "/usr/lib/postgresql/15/bin"
    databaseURL = try text(flags.database, "database")
    database = try databaseURL.map { (url: String) throws(SettingsError) in try DatabasePlace(url: url) }
    retryWindow = try number(flags.retryWindow, "retry-window", 86_400, 0...31_536_000)
    purgeAfter = try number(flags.purgeAfter, "purge-after", 604_800, 0...31_536_000)
    replacedWindow = try number(flags.replacedWindow, "replaced-window", 600, 0...31_536_000)
    taskMemory = try number(flags.taskMemory, "task-memory", 2_048, 128...1_048_576)
    largeRaster = try number(flags.largeRaster, "large-raster", DatasetChain.largeRaster / 1_000_000, 1...1_000_000)
    metrics = try text(flags.metrics, "metrics").map { (given: String) throws(SettingsError) in
      let address = try Self.address(given, "metrics")
      guard Self.loopback.contains(address.0) else {
        throw SettingsError("--metrics binds loopback only (127.0.0.1 or ::1), not \(address.0)")
      }
      return address
    }
    socket = try text(flags.socket, "socket").map(Self.absolute)
    func truth(_ flag: Bool, _ name: String) throws(SettingsError) -> Bool {
      let wanted = try text(flag ? "true" : nil, name) ?? "false"
      guard let value = Bool(wanted) else { throw SettingsError("--\(name) is true or false, not '\(wanted)'") }
      return value
    }
    accessLog = try truth(flags.accessLog, "access-log")
    tokens = try truth(flags.tokens, "tokens")
    let level = try text(flags.logLevel, "log-level") ?? "info"
    guard let level = Logger.Level(rawValue: level) else { throw SettingsError("--log-level '\(level)' is no level") }
    logLevel = level
  }

  /// The settings as text, in the order of the help.
  var named: [(name: String, value: String)] {
    [
      ("data", data), ("root", "[\(roots.joined(separator: ", "))]"), ("listen", "\(listenHost):\(listenPort)"),
      ("data-api", "\(dataAPIHost):\(dataAPIPort)"),
      ("public-url", publicURL ?? "http://\(dataAPIHost):\(dataAPIPort)"),
      ("tls-name", "[\(tlsNames.joined(separator: ", "))]"), ("slots", "\(slots)"), ("user", user), ("share", share),
      ("task-program", taskProgram), ("database", databaseURL ?? "private"), ("postgres-bin", postgresBin),
      ("retry-window", "\(retryWindow)"),
      ("purge-after", "\(purgeAfter)"), ("replaced-window", "\(replacedWindow)"), ("task-memory", "\(taskMemory)"),
      ("large-raster", "\(largeRaster)"),
      ("metrics", metrics.map { "\($0.host):\($0.port)" } ?? "none"), ("socket", socket ?? "none"),
      ("tokens", "\(tokens)"),
      ("access-log", "\(accessLog)"),
      ("log-level", "\(logLevel)"),
    ]
  }

  private static let loopback: Set = ["127.0.0.1", "::1", "localhost"]

  /// The settings as YAML, as a settings file has them.
  var summary: String { named.map { "\($0.name): \($0.value)" }.joined(separator: "\n") }

  private static func file(_ path: String?) throws(SettingsError) -> [String: Any] {
    guard let path else { return [:] }
    let names: Set = [
      "data", "root", "listen", "data-api", "public-url", "tls-name", "slots", "user", "share", "task-program",
      "database", "postgres-bin", "retry-window", "purge-after", "replaced-window", "task-memory",
      "large-raster", "metrics",
      "socket", "tokens", "access-log", "log-level",
    ]
    do {
      let text = try String(contentsOfFile: path, encoding: .utf8)
      guard let values = try Yams.load(yaml: text) as? [String: Any] else { return [:] }
      if let stranger = values.keys.sorted().first(where: { !names.contains($0) }) {
        throw SettingsError(
          "\(path): there is no setting '\(stranger)'; known are \(names.sorted().joined(separator: ", "))")
      }
      return values
    } catch let error as SettingsError { throw error } catch { throw SettingsError("cannot read \(path): \(error)") }
  }

  private static func defaultData(_ environment: [String: String]) -> String {
    if geteuid() == 0 { return "/var/lib/terrane" }
    if let home = environment["XDG_DATA_HOME"], !home.isEmpty { return home + "/terrane" }
    return (environment["HOME"] ?? ".") + "/.local/share/terrane"
  }

  private static func address(_ text: String, _ name: String) throws(SettingsError) -> (String, Int) {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
      throw SettingsError("--\(name) '\(text)' is not HOST:PORT")
    }
    let host = text[..<colon].trimmingCharacters(in: CharacterSet(charactersIn: "[]"))
    return (host.isEmpty ? "127.0.0.1" : host, Int(port))
  }

  static func absolute(_ path: String) -> String {
    let path = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
    return URL(fileURLWithPath: path).standardized.path
  }

  private static var programFolder: String {
    let path =
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
    return URL(fileURLWithPath: path).deletingLastPathComponent().path
  }

  /// `../share` of an installation, or the checkout above a build folder.
  private static func shareFolder(near place: String) -> String? {
    var folder = URL(fileURLWithPath: place)
    for _ in 0..<6 {
      for candidate in [folder.appendingPathComponent("share"), folder]
      where FileManager.default.fileExists(atPath: candidate.appendingPathComponent("sql/bootstrap.sql").path) {
        return candidate.path
      }
      folder = folder.deletingLastPathComponent()
    }
    return nil
  }
}

/// A setting that cannot be used, in one sentence.
struct SettingsError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}
