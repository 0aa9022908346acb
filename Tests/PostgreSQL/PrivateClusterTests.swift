import Foundation
import Logging
import PostgreSQL
import PostgreSQLTesting
import Testing

/// Clusters of their own, because their servers are killed and stopped here.
@Suite(.timeLimit(.minutes(3))) struct PrivateClusterTests {
  static func configuration(_ root: String) -> PrivateCluster.Configuration {
    var configuration = PrivateCluster.Configuration(dataDirectory: "\(root)/postgresql/data")
    configuration.isDurable = false
    configuration.sharedBuffersMegabytes = 16
    return configuration
  }

  static func cluster(_ root: String, thread: DatabaseThread) throws -> PrivateCluster {
    var logger = Logger(label: "cluster")
    logger.logLevel = .critical
    return try PrivateCluster(configuration(root), thread: thread, logger: logger)
  }

  /// A directory that the cluster's user may enter.
  private static func newRoot() throws -> String {
    var name = Array("/tmp/terrane-cluster-XXXXXX".utf8CString)
    let path = try #require(mkdtemp(&name).map { String(cString: $0) })
    chmod(path, 0o755)
    return path
  }

  private static func connect(_ cluster: PrivateCluster, _ thread: DatabaseThread) async throws -> PostgresConnection {
    try await PostgresConnection.connect(try cluster.superuserSettings(), on: thread, patience: .seconds(20))
  }

  @Test func `A server outlives the process that was killed, and the next one adopts it`() async throws {
    let root = try Self.newRoot()
    defer { try? FileManager.default.removeItem(atPath: root) }
    await #expect(processExitsWith: .signal(SIGKILL)) { [root = root as String] in
      let thread = DatabaseThread()
      let cluster = try PrivateClusterTests.cluster(root, thread: thread)
      #expect(try await cluster.start() == .initialised)
      let connection = try await PostgresConnection.connect(try cluster.superuserSettings(), on: thread)
      try await connection.execute(script: "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
      kill(getpid(), SIGKILL)
    }
    let thread = DatabaseThread()
    let cluster = try Self.cluster(root, thread: thread)
    #expect(try await cluster.start() == .adopted)
    let connection = try await Self.connect(cluster, thread)
    #expect(try await connection.query("SELECT n FROM kept").oneRow().int("n") == 7)
    #expect(try await connection.query("SHOW timezone").oneRow().text("TimeZone") == "UTC")
    #expect(
      try await connection.query("SHOW client_connection_check_interval")[0].value(at: 0, as: String.self) == "1s")
    connection.close()

    try await cluster.stop()
    #expect(await cluster.postmasterProcessID == nil)
    let away = try await failure { try await PostgresConnection.connect(try cluster.superuserSettings(), on: thread) }
    #expect(away.kind == .connectionLost)
    #expect(try await cluster.start() == .started)
    try await cluster.stop()
    thread.shutdown()
  }

  @Test func `A server that dies is started again`() async throws {
    let root = try Self.newRoot()
    defer { try? FileManager.default.removeItem(atPath: root) }
    let thread = DatabaseThread()
    let cluster = try Self.cluster(root, thread: thread)
    try await cluster.start()
    let busy = try await Self.connect(cluster, thread)
    let first = try #require(await cluster.postmasterProcessID)
    kill(first, SIGKILL)
    try await eventually(within: .seconds(90), "the server did not come back") {
      guard let process = await cluster.postmasterProcessID, process != first else { return false }
      return true
    }
    #expect(try await Self.connect(cluster, thread).query("SELECT 1 AS n").oneRow().int("n") == 1)
    busy.close()
    try await cluster.stop()
    thread.shutdown()
  }

  @Test func `Passwords are asked of everybody, and kept to the owner`() async throws {
    let shared = try await TestCluster.shared()
    var settings = try await shared.freshDatabase()
    settings.password = nil
    let refused = try await failure { try await PostgresConnection.connect(settings, on: shared.thread) }
    #expect(refused.sqlState == "28P01")
    for (path, mode) in [
      (shared.cluster.passwordPath, 0o600), (shared.cluster.socketDirectory, 0o700),
      (shared.cluster.configuration.dataDirectory, 0o700),
    ] {
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      #expect(attributes[.posixPermissions] as? Int == mode, "\(path)")
    }
  }

  @Test func `A deep data directory gets its socket elsewhere, a directory of something else is refused`() async throws
  {
    let root = try Self.newRoot()
    defer { try? FileManager.default.removeItem(atPath: root) }
    let deep = root + "/" + (0..<10).map { "a-rather-long-directory-name-\($0)" }.joined(separator: "/")
    let thread = DatabaseThread()
    let cluster = try Self.cluster(deep, thread: thread)
    #expect("\(cluster.socketDirectory)/.s.PGSQL.5432".utf8.count <= 107)
    defer { try? FileManager.default.removeItem(atPath: cluster.socketDirectory) }
    try await cluster.start()
    #expect(try await Self.connect(cluster, thread).query("SELECT 1 AS n").oneRow().int("n") == 1)
    try await cluster.stop()

    let other = try Self.cluster("\(root)/other", thread: thread)
    let data = other.configuration.dataDirectory
    try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
    try Data("mine".utf8).write(to: URL(fileURLWithPath: "\(data)/precious"))
    await #expect(throws: PrivateClusterError.self) { try await other.start() }
    #expect(FileManager.default.fileExists(atPath: "\(data)/precious"))
    thread.shutdown()
  }
}
