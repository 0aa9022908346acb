import Glibc
import Logging
public import PostgreSQL

/// One private cluster for all tests of a process: not durable, gone with the process.
///
/// ```swift
/// let cluster = try await TestCluster.shared()
/// let settings = try await cluster.freshDatabase()
/// let connection = try await PostgresConnection.connect(settings, on: cluster.thread)
/// ```
public actor TestCluster {
  /// The thread that the cluster's own sessions use; tests may share it.
  public nonisolated let thread: DatabaseThread
  public nonisolated let cluster: PrivateCluster
  private nonisolated let superuser: ConnectionSettings
  private let administration: ConnectionPool
  private var databases = 0

  private static let starting = Task { try await TestCluster() }

  /// The cluster, started on the first call.
  public static func shared() async throws -> TestCluster { try await starting.value }

  private init() async throws {
    Self.removeLeftovers()
    let root = "\(Self.prefix)\(getpid())"
    // Remembered for the end of the process, whatever happens next.
    TestClusterEnd.arrange(removing: root)
    var configuration = PrivateCluster.Configuration(dataDirectory: "\(root)/data")
    configuration.isDurable = false
    configuration.lifetime = .process
    configuration.maxConnections = 200
    configuration.sharedBuffersMegabytes = 64
    thread = DatabaseThread(name: "test-database")
    var logger = Logger(label: "test-cluster")
    // At the end the server goes before the one who watches it.
    logger.logLevel = .critical
    cluster = try PrivateCluster(configuration, thread: thread, logger: logger)
    try await cluster.start()
    superuser = try cluster.superuserSettings().named("tests")
    administration = ConnectionPool(superuser, size: 2, thread: thread)
  }

  /// A new empty database that belongs to the superuser: nobody else uses it.
  public func freshDatabase() async throws -> ConnectionSettings {
    databases += 1
    let name = "test_\(databases)"
    try await administration.query("CREATE DATABASE \(name)")
    var settings = superuser
    settings.database = name
    return settings
  }

  /// A session with a new empty database.
  public func freshConnection() async throws -> PostgresConnection {
    try await PostgresConnection.connect(try await freshDatabase(), on: thread)
  }

  /// Makes a role that may log in, unless it is there, and returns the settings as which it does so.
  public func role(_ name: String, options: String = "", on settings: ConnectionSettings) async throws
    -> ConnectionSettings
  {
    let password = "test-\(name)"
    let known = try await administration.query("SELECT 1 FROM pg_roles WHERE rolname = $1", [.text(name)])
    let verb = known.isEmpty ? "CREATE" : "ALTER"
    try await administration.query("\(verb) ROLE \"\(name)\" LOGIN PASSWORD '\(password)' \(options)")
    var result = settings
    result.user = name
    result.password = password
    return result
  }

  private static let prefix = "/tmp/terrane-test-"

  /// Directories of test processes that were killed; their servers shut down by themselves.
  private static func removeLeftovers() {
    guard let listing = opendir("/tmp") else { return }
    defer { closedir(listing) }
    while let entry = readdir(listing) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      let path = "/tmp/\(name)"
      guard path.hasPrefix(prefix), let process = pid_t(path.dropFirst(prefix.count)), kill(process, 0) != 0,
        errno == ESRCH, TestClusterEnd.postmaster(of: path) == nil
      else { continue }
      TestClusterEnd.remove(path)
    }
  }
}
