import CProcess
import Glibc
import Logging

/// What the cluster keeps on disk, and how its server's process is started.
extension PrivateCluster {
  private nonisolated var owner: (user: uid_t, group: gid_t)? {
    geteuid() == 0 ? (user.user_id, user.group_id) : nil
  }
  private nonisolated var startLogPath: String { "\(configuration.parent)/log/start.log" }

  /// Makes directories, the cluster if there is none, and its configuration. True: the cluster was made.
  func prepare() async throws -> Bool {
    let parent = configuration.parent
    do {
      try PosixFile.makeDirectory(parent, mode: 0o700, owner: owner)
      try PosixFile.makeDirectory("\(parent)/log", mode: 0o700, owner: owner)
      try PosixFile.makeDirectory(socketDirectory, mode: 0o700, owner: owner)
    } catch { throw error.asClusterError }
    // Under /tmp anybody could have made it first.
    guard PosixFile.isPrivateDirectory(socketDirectory, of: user.user_id) else {
      throw PrivateClusterError.noSocketDirectory("\(socketDirectory) is not a private directory of the cluster's user")
    }
    let made = try await initialise()
    do {
      let settings = configuration.serverSettings(socketDirectory: socketDirectory)
      let data = configuration.dataDirectory
      try PosixFile.replace("\(data)/postgresql.conf", with: settings, mode: 0o600, owner: owner)
      try PosixFile.replace(
        "\(data)/pg_hba.conf", with: Configuration.hostBasedAuthentication, mode: 0o600, owner: owner)
    } catch { throw error.asClusterError }
    return made
  }

  /// initdb into a directory beside, renamed when whole: a crash leaves no half cluster under the real name.
  private func initialise() async throws -> Bool {
    let data = configuration.dataDirectory
    if PosixFile.exists("\(data)/PG_VERSION") { return false }
    let beside = "\(data).initialising"
    do {
      if PosixFile.exists(data) {
        guard try PosixFile.names(in: data).isEmpty else { throw PrivateClusterError.notACluster(data) }
        rmdir(data)
      }
      try PosixFile.removeTree(beside)
      if !PosixFile.exists(passwordPath) {
        try PosixFile.replace(passwordPath, with: Self.newPassword() + "\n", mode: 0o600, owner: owner)
      }
    } catch let error as FileError { throw error.asClusterError }
    var arguments = [
      "--pgdata=\(beside)", "--username=\(configuration.superuser)", "--pwfile=\(passwordPath)",
      "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums",
    ]
    if !configuration.isDurable { arguments.append("--no-sync") }
    let log = try openStartLog()
    let program = ClusterProgram(
      path: "\(configuration.binaries)/initdb", arguments: arguments, user: user, output: log,
      workingDirectory: configuration.parent)
    let outcome = await BlockingCall.run(name: "initdb") { () -> Result<Int32, PrivateClusterError> in
      defer { close(log) }
      return Result { () throws(PrivateClusterError) in try program.run() }
    }
    guard try outcome.get() == 0 else { throw PrivateClusterError.initialisationFailed(output: logTail()) }
    guard rename(beside, data) == 0 else { throw FileError.last(beside).asClusterError }
    logger.info("made the PostgreSQL cluster", metadata: ["data": "\(data)"])
    return true
  }

  /// 192 random bits.
  private static func newPassword() -> String {
    var generator = SystemRandomNumberGenerator()
    return (0..<3).map { _ in
      let text = String(generator.next() as UInt64, radix: 16)
      return String(repeating: "0", count: 16 - text.count) + text
    }.joined()
  }

  func spawnServer() async throws -> cprocess_child {
    let log = try openStartLog()
    let program = ClusterProgram(
      path: "\(configuration.binaries)/postgres", arguments: ["-D", configuration.dataDirectory], user: user,
      output: log,
      workingDirectory: configuration.parent, diesWithParent: configuration.lifetime == .process)
    let start: @Sendable () -> Result<cprocess_child, PrivateClusterError> = {
      defer { close(log) }
      return Result { () throws(PrivateClusterError) in try program.spawn() }
    }
    // The death signal follows the thread that spawned: the database thread lives as long as the process.
    guard configuration.lifetime == .process else {
      return try await BlockingCall.run(name: "pg-start", start).get()
    }
    return try await withCheckedContinuation { continuation in
      thread.enqueue { continuation.resume(returning: start()) }
    }.get()
  }

  /// What initdb and the server print before they have a log of their own; begun anew for each.
  private func openStartLog() throws -> Int32 {
    unlink(startLogPath)
    let file = open(startLogPath, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else { throw FileError.last(startLogPath).asClusterError }
    return file
  }

  /// The last 2,000 bytes of what was printed at the start.
  func logTail() -> String {
    guard let bytes = try? PosixFile.read(startLogPath) else { return "" }
    return String(decoding: bytes.suffix(2000), as: UTF8.self).trimmed
  }
}
