import Glibc

/// Why the private cluster is not there.
public enum PrivateClusterError: Error, Sendable, CustomStringConvertible {
  case file(path: String, error: String)
  /// The account that PostgreSQL is to run as does not exist.
  case noSuchUser(String)
  /// A program could not be started.
  case cannotRun(program: String, stage: String, error: String)
  /// initdb ended with an error; the end of what it printed.
  case initialisationFailed(output: String)
  /// The server ended while it started; the end of its log.
  case startFailed(log: String)
  /// The server did not become ready, or did not end, in time.
  case timedOut(String)
  /// The data directory holds something else than a cluster.
  case notACluster(String)
  /// A server answers on our socket that is not the one of our data directory.
  case foreignServer(String)
  /// No directory is short and private enough for the socket.
  case noSocketDirectory(String)

  public var description: String {
    switch self {
    case .file(let path, let error): "\(path): \(error)"
    case .noSuchUser(let user): "there is no user \(user) to run PostgreSQL as"
    case .cannotRun(let program, let stage, let error): "\(program) cannot be run (\(stage)): \(error)"
    case .initialisationFailed(let output): "initdb failed: \(output)"
    case .startFailed(let log): "PostgreSQL did not start: \(log)"
    case .timedOut(let what): "timed out: \(what)"
    case .notACluster(let path): "\(path) is not empty and holds no PostgreSQL cluster"
    case .foreignServer(let text): "another server answers: \(text)"
    case .noSocketDirectory(let text): "no directory for PostgreSQL's socket: \(text)"
    }
  }
}

extension PrivateCluster {
  public struct Configuration: Sendable {
    /// What becomes of the server when this process ends.
    public enum Lifetime: Sendable {
      /// It lives on, and the next process adopts it.
      case independent
      /// It is told to shut down: for tests.
      case process
    }

    /// The cluster's files. Its parent directory also gets the superuser's password, the socket directory and the logs.
    public var dataDirectory: String
    /// nil: `socket` beside the data directory if the path is short enough, else a private directory under
    /// $XDG_RUNTIME_DIR, /run or /tmp.
    public var socketDirectory: String?
    /// Only names the socket: the cluster does not listen on TCP.
    public var port: UInt16 = 5432
    /// The account PostgreSQL runs as when this process is root's (PostgreSQL refuses root).
    public var user = "terrane"
    public var superuser = "postgres"
    /// The directory of initdb and postgres.
    public var binaries = "/usr/lib/postgresql/15/bin"
    public var maxConnections = 100
    /// nil: an eighth of the machine's memory, from 64 MiB to 1 GiB.
    public var sharedBuffersMegabytes: Int?
    /// False gives up durability for speed: for tests.
    public var isDurable = true
    public var lifetime = Lifetime.independent
    /// Further settings of postgresql.conf; they win.
    public var settings: [String: String] = [:]
    /// How long starting may take, old backends' leaving included.
    public var startTimeout: Duration = .seconds(60)
    /// How long a fast stop may take before the server is stopped at once (and recovers at its next start).
    public var stopTimeout: Duration = .seconds(60)

    public init(dataDirectory: String) { self.dataDirectory = dataDirectory }

    var parent: String {
      guard let slash = dataDirectory.lastIndex(of: "/"), slash != dataDirectory.startIndex else { return "/" }
      return String(dataDirectory[..<slash])
    }
  }
}

extension PrivateCluster.Configuration {
  /// sun_path holds 108 bytes, the last one a NUL.
  static let longestSocketPath = 107

  func fits(_ directory: String) -> Bool { "\(directory)/.s.PGSQL.\(port)".utf8.count <= Self.longestSocketPath }

  /// Where the socket goes, by rule alone, so that the next process finds it.
  func chosenSocketDirectory(runsAs user: uid_t) -> String {
    if let socketDirectory { return socketDirectory }
    let beside = "\(parent)/socket"
    if fits(beside) { return beside }
    let name = "terrane-\(Self.fingerprint(PosixFile.resolved(parent) ?? parent))"
    if let runtime = getenv("XDG_RUNTIME_DIR").map({ String(cString: $0) }), runtime.hasPrefix("/"), user == geteuid(),
      fits("\(runtime)/\(name)"), PosixFile.exists(runtime)
    {
      return "\(runtime)/\(name)"
    }
    if geteuid() == 0 { return "/run/\(name)" }
    return "/tmp/\(name)-\(user)"
  }

  /// FNV-1a, 64 bits: only tells directories apart.
  private static func fingerprint(_ text: String) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return String(hash, radix: 36)
  }

  /// postgresql.conf, whole: the file belongs to this program.
  func serverSettings(socketDirectory: String) -> String {
    var values: [String: String] = [
      "listen_addresses": "",
      "unix_socket_directories": socketDirectory,
      "unix_socket_permissions": "0700",
      "port": String(port),
      "max_connections": String(maxConnections),
      "password_encryption": "scram-sha-256",
      "shared_buffers": "\(sharedBuffersMegabytes ?? Self.eighthOfMemoryMegabytes())MB",
      "work_mem": "16MB",
      "maintenance_work_mem": "256MB",
      "dynamic_shared_memory_type": "posix",
      // Pages are written whole to the WAL after each checkpoint: rare checkpoints halve the WAL of a busy server.
      "max_wal_size": "4GB",
      "min_wal_size": "128MB",
      "checkpoint_timeout": "15min",
      "checkpoint_completion_target": "0.9",
      "wal_compression": "on",
      // A statement whose client is gone stops within a second, not at its end.
      "client_connection_check_interval": "1s",
      "random_page_cost": "1.1",
      "jit": "off",
      "max_locks_per_transaction": "256",
      "timezone": "UTC",
      "log_timezone": "UTC",
      "lc_messages": "C",
      "lc_monetary": "C.UTF-8",
      "lc_numeric": "C.UTF-8",
      "lc_time": "C.UTF-8",
      "default_text_search_config": "pg_catalog.simple",
      "logging_collector": "on",
      "log_directory": "\(parent)/log",
      "log_filename": "postgresql-%a.log",
      "log_truncate_on_rotation": "on",
      "log_rotation_age": "1d",
      "log_rotation_size": "0",
      "log_line_prefix": "%m [%p] %a ",
      "log_lock_waits": "on",
      "log_temp_files": "64MB",
    ]
    if !isDurable {
      values["fsync"] = "off"
      values["synchronous_commit"] = "off"
      values["full_page_writes"] = "off"
      values["logging_collector"] = "off"
      values["max_wal_size"] = "1GB"
    }
    values.merge(settings) { _, given in given }
    let lines = values.sorted { $0.key < $1.key }.map { name, value in
      "\(name) = '\(value.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''"))'"
    }
    return "# Written by terraned at every start: changes made here are lost.\n" + lines.joined(separator: "\n") + "\n"
  }

  /// Every role logs in by scram, over the Unix socket only.
  static let hostBasedAuthentication = """
    # Written by terraned at every start: changes made here are lost.
    local all all scram-sha-256

    """

  private static func eighthOfMemoryMegabytes() -> Int {
    let bytes = max(0, sysconf(Int32(_SC_PHYS_PAGES))) * max(0, sysconf(Int32(_SC_PAGESIZE)))
    return min(1024, max(64, bytes / 8 / (1 << 20)))
  }
}
