internal import CProcess
internal import Credentials
internal import Datasets
internal import Foundation
internal import PostgreSQL
internal import Synchronization

/// `terraned --check-config`: would the server start and serve with these settings, on this machine, as its user? Nothing is
/// made or changed.
struct ConfigurationCheck {
  let settings: Settings

  /// Looks at everything, as the server's user. Called on the main thread, before there is any other.
  static func run(_ settings: Settings) -> CheckReport {
    var findings: [Finding] = []
    let asRoot = geteuid() == 0
    do {
      try ServerUser.become(settings, makingData: false)
      findings.append(.ok("user", "runs as \(NSUserName())" + (asRoot ? ", which root becomes at once" : "")))
    } catch {
      let remedy = "Make the user (scripts/setup does), or name another with --user."
      return CheckReport(settings: settings, findings: [.error("user", "\(error)", remedy: remedy)])
    }
    let check = ConfigurationCheck(settings: settings)
    findings += check.data(asRoot: asRoot) + check.roots() + check.ports() + check.database() + check.programs()
    return CheckReport(settings: settings, findings: findings)
  }

  private var user: String { NSUserName() }

  /// The terraned that runs on this data directory now.
  private var running: DataDirectory.Endpoint? {
    let file = URL(fileURLWithPath: settings.data + "/run/endpoint.json")
    guard let data = try? Data(contentsOf: file),
      let endpoint = try? JSONDecoder().decode(DataDirectory.Endpoint.self, from: data),
      kill(endpoint.pid, 0) == 0 || errno == EPERM
    else { return nil }
    return endpoint
  }

  // MARK: Files

  private func data(asRoot: Bool) -> [Finding] {
    let path = settings.data
    var findings: [Finding] = []
    if FileManager.default.fileExists(atPath: path + "/restoring") {
      findings.append(
        .error("data", "a restore of \(path) was cut short", remedy: "Remove the folder and restore the backup again."))
    } else if let running {
      findings.append(.ok("data", "\(path) is served by process \(running.pid) now"))
    } else if FileManager.default.fileExists(atPath: path) {
      findings.append(
        isFolder(path) && access(path, R_OK | W_OK | X_OK) == 0
          ? .ok("data", "\(path) is there and belongs to user \(user)")
          : .error(
            "data", "user \(user) cannot write to \(path)",
            remedy: "Give it the folder (chown -R \(user) \(path)), or choose another with --data."))
    } else {
      let parent = existingParent(of: path)
      // Root makes the folder and gives it to the user, who must be able to walk there.
      let needed = asRoot ? X_OK : W_OK | X_OK
      findings.append(
        isFolder(parent) && access(parent, needed) == 0
          ? .ok("data", "\(path) will be made")
          : .error(
            "data", "user \(user) cannot \(asRoot ? "reach" : "make") \(path): \(parent) does not let it",
            remedy: "Choose another folder with --data."))
    }
    return findings + disk(existingParent(of: path))
  }

  private func disk(_ path: String) -> [Finding] {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return [] }
    let free = UInt64(status.f_bavail) * UInt64(status.f_frsize)
    let message = "\(gibibytes(free)) free for \(settings.data)"
    let reserve = gibibytes(Server.diskReserve)
    if free <= Server.diskReserve {
      return [
        .error(
          "disk", "\(message); below \(reserve) the server is not ready", remedy: "Make room, or choose another disk.")
      ]
    }
    guard free > 5 * Server.diskReserve else {
      let remedy = "Loads need room for tables, indexes and PostgreSQL's log; below \(reserve) the server is not ready."
      return [.warning("disk", message, remedy: remedy)]
    }
    return [.ok("disk", message)]
  }

  private func roots() -> [Finding] {
    guard !settings.roots.isEmpty else {
      return [.warning("root", "no file may become a dataset", remedy: "Name a folder with --root DIR.")]
    }
    return settings.roots.map { root in
      guard FileManager.default.fileExists(atPath: root) else {
        let message = "\(root) is not there, or user \(user) cannot get there"
        return .error("root", message, remedy: "Make it, let the user get there, or name another.")
      }
      guard isFolder(root) else { return .error("root", "\(root) is no folder", remedy: "Name its folder.") }
      guard access(root, R_OK | X_OK) == 0 else {
        return .error(
          "root", "user \(user) cannot read \(root)",
          remedy: "Let it: setfacl -R -m u:\(user):rX \(root), or chmod -R o+rX.")
      }
      guard !isWithin(settings.data, root), !isWithin(root, settings.data) else {
        return .error(
          "root", "\(root) and the data directory \(settings.data) lie in each other",
          remedy: "Keep them apart: what lies below a root can be asked for, and the data directory holds the keys.")
      }
      return .ok("root", "files below \(root) may become datasets")
    }
  }

  // MARK: Addresses

  private func ports() -> [Finding] {
    let running = running
    var findings = [
      port("listen", settings.listenHost, settings.listenPort, held: running?.rpc),
      port("data-api", settings.dataAPIHost, settings.dataAPIPort, held: running?.data_api),
    ]
    let isLocal = ["127.0.0.1", "::1", "localhost"].contains(settings.listenHost)
    if !isLocal, settings.publicURL == nil {
      findings.append(
        .warning(
          "public-url", "clients elsewhere are handed URLs on \(settings.dataAPIHost), which they cannot reach",
          remedy: "Put a reverse proxy before the data API and name its address with --public-url."))
    }
    if !isLocal, settings.tlsNames.isEmpty {
      findings.append(
        .warning(
          "tls-name", "the certificate names localhost and \(ProcessInfo.processInfo.hostName) only",
          remedy: "Name what clients will call this server with --tls-name, unless it is its host name."))
    }
    return findings
  }

  private func port(_ name: String, _ host: String, _ port: Int, held: String?) -> Finding {
    let place = "\(host):\(port)"
    switch bindError(host, port) {
    case 0: return .ok(name, port == 0 ? "\(host), any free port" : "\(place) is free")
    case EADDRINUSE:
      if let held, held.hasSuffix(":\(port)") { return .ok(name, "\(place) is held by the server of \(settings.data)") }
      let remedy = "Choose another port with --\(name) HOST:PORT."
      return .error(name, "\(place) is in use by another program", remedy: remedy)
    case EACCES:
      return .error(
        name, "user \(user) may not use port \(port)",
        remedy: "Ports below 1024 are root's; choose another with --\(name).")
    case let error:
      return .error(
        name, "\(place) cannot be listened on: \(error < 0 ? "no such host" : String(cString: strerror(error)))",
        remedy: "Name an address of this machine with --\(name) HOST:PORT.")
    }
  }

  /// 0, errno, or -1 for a name that is no address.
  private func bindError(_ host: String, _ port: Int) -> Int32 {
    var hints = addrinfo()
    hints.ai_flags = AI_PASSIVE
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, String(port), &hints, &found) == 0, let address = found?.pointee else { return -1 }
    defer { freeaddrinfo(found) }
    let socket = socket(address.ai_family, address.ai_socktype, 0)
    guard socket >= 0 else { return errno }
    defer { close(socket) }
    // As the server does: a connection that is winding down does not keep a port.
    var yes: Int32 = 1
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
    guard bind(socket, address.ai_addr, address.ai_addrlen) == 0 else { return errno }
    return listen(socket, 1) == 0 ? 0 : errno
  }

  // MARK: Database

  private func database() -> [Finding] {
    guard let place = settings.database else { return postgres() }
    let checked = DispatchSemaphore(value: 0)
    let answer = Mutex<[Finding]>([])
    Task {
      let findings = await external(place)
      answer.withLock { $0 = findings }
      checked.signal()
    }
    checked.wait()
    return answer.withLock { $0 }
  }

  private func external(_ place: DatabasePlace) async -> [Finding] {
    let thread = DatabaseThread(name: "database")
    defer { thread.shutdown() }
    let store = CredentialStore(directory: DataDirectory.credentials(of: settings.data))
    do {
      let (shortfalls, _) = try await ExternalDatabase(settings, place, store).inspect(on: thread)
      guard shortfalls.isEmpty else {
        return shortfalls.map { .error("database", $0.message, remedy: $0.remedy) }
      }
      return [.ok("database", "\(place.description) has all that it needs")]
    } catch {
      return [.error("database", "\(place.description): \(error)", remedy: "See what PostgreSQL's log says.")]
    }
  }

  // MARK: Programs

  private func postgres() -> [Finding] {
    let folder = settings.postgresBin
    let remedy =
      "Install postgresql-15 and postgresql-15-postgis-3 (make setup), or name their folder with --postgres-bin."
    let missing = ["postgres", "initdb", "pg_dump", "pg_dumpall", "pg_restore"].filter {
      access("\(folder)/\($0)", X_OK) != 0
    }
    guard missing.isEmpty else {
      return [
        .error("postgres-bin", "\(folder) lacks \(missing.joined(separator: ", "))", remedy: remedy)
      ]
    }
    let version = output("\(folder)/postgres", ["--version"]) ?? ""
    let major = version.split(separator: " ").last { $0.first?.isNumber == true }?.prefix { $0 != "." } ?? "?"
    var findings: [Finding] = []
    let cluster = DataDirectory.cluster(of: settings.data)
    let made = (try? String(contentsOfFile: cluster + "/PG_VERSION", encoding: .utf8))?
      .trimmingCharacters(in: .whitespacesAndNewlines)
    if let made, made != major {
      findings.append(
        .error(
          "postgres-bin",
          "\(folder) is PostgreSQL \(major), and \(cluster) was made by \(made)",
          remedy: "Name that version's folder with --postgres-bin; to go to a newer one, back up and restore."))
    } else {
      findings.append(.ok("postgres-bin", "PostgreSQL \(major) in \(folder)"))
    }
    if let share = output("\(folder)/pg_config", ["--sharedir"]),
      access(share + "/extension/postgis.control", R_OK) != 0
    {
      findings.append(.error("postgis", "there is no PostGIS in \(share)/extension", remedy: remedy))
    } else {
      findings.append(.ok("postgis", "PostGIS is installed for it"))
    }
    return findings
  }

  private func programs() -> [Finding] {
    var findings: [Finding] = []
    findings.append(
      access(settings.taskProgram, X_OK) == 0
        ? .ok("task-program", "\(settings.taskProgram) can be run")
        : .error(
          "task-program", "user \(user) cannot run \(settings.taskProgram)",
          remedy: "Put terrane-task beside terraned, or name it with --task-program."))
    findings.append(
      access(settings.share + "/sql/bootstrap.sql", R_OK) == 0
        ? .ok("share", "\(settings.share) can be read")
        : .error(
          "share", "user \(user) cannot read \(settings.share)/sql",
          remedy: "Let it, or name another copy with --share."))
    let code = "import sys; sys.path.insert(0, sys.argv[1]); import terrane_dataapi.__main__, pypgstac"
    if output(settings.python, ["-B", "-c", code, settings.share + "/dataapi"]) == nil {
      findings.append(
        .error(
          "data-api", "user \(user) cannot run the data API with \(settings.python)",
          remedy: "Run make setup, and scripts/install for an installation; or name their folder with --share."))
    } else if (try? Database.pgstacFile(settings)) == nil {
      findings.append(.error("data-api", "pgstac's SQL is not beside \(settings.python)", remedy: "Run make setup."))
    } else {
      findings.append(.ok("data-api", "its Python environment is whole"))
    }
    return findings
  }

  /// What a program prints; nil where it cannot be run or fails.
  private func output(_ program: String, _ arguments: [String]) -> String? {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.environment = ["PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"]
    process.currentDirectoryURL = URL(fileURLWithPath: "/")
    process.standardInput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    let pipe = Pipe()
    process.standardOutput = pipe
    guard (try? process.run()) != nil else { return nil }
    let said = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return process.terminationStatus == 0 ? said.trimmingCharacters(in: .whitespacesAndNewlines) : nil
  }

  // MARK: Paths

  private func isFolder(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
  }

  private func existingParent(of path: String) -> String {
    var url = URL(fileURLWithPath: path)
    while url.path != "/", !FileManager.default.fileExists(atPath: url.path) { url.deleteLastPathComponent() }
    return url.path
  }

  private func isWithin(_ path: String, _ folder: String) -> Bool {
    func real(_ path: String) -> String {
      let there = existingParent(of: path)
      return URL(fileURLWithPath: there).resolvingSymlinksInPath().path + path.dropFirst(there.count)
    }
    let (path, folder) = (real(path), real(folder))
    return path == folder || path.hasPrefix(folder == "/" ? "/" : folder + "/")
  }

  private func gibibytes(_ bytes: UInt64) -> String { String(format: "%.1f GiB", Double(bytes) / 1_073_741_824) }
}
