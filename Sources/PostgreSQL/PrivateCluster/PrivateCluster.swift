import CProcess
import Glibc
public import Logging

/// A PostgreSQL cluster of our own: made on first use, reached only through a Unix socket in a private directory, every role by
/// scram. The server lives on when this process ends, and the next one adopts it; while this process lives, a server that dies
/// is started again.
public actor PrivateCluster {
  /// How ``start()`` came by a running server.
  public enum Origin: String, Sendable {
    /// The cluster was made and started.
    case initialised
    /// Its server was started.
    case started
    /// A server of this data directory was running.
    case adopted
  }

  public nonisolated let configuration: Configuration
  public nonisolated let socketDirectory: String
  let thread: DatabaseThread
  let logger: Logger
  let user: cprocess_user

  private var isWanted = false
  /// Tells a monitor of an earlier server from the present one's.
  private var generation = 0
  private var processID: pid_t?
  /// One start or stop at a time: both suspend.
  private var isBusy = false
  private var turns: [CheckedContinuation<Void, Never>] = []

  public init(_ configuration: Configuration, thread: DatabaseThread, logger: Logger) throws(PrivateClusterError) {
    guard configuration.dataDirectory.hasPrefix("/") else {
      throw .file(path: configuration.dataDirectory, error: "the data directory's path must be absolute")
    }
    var user = cprocess_user()
    if geteuid() == 0 {
      guard cprocess_find_user(configuration.user, &user) == 0 else { throw .noSuchUser(configuration.user) }
    } else {
      user.user_id = geteuid()
      user.group_id = getegid()
    }
    self.configuration = configuration
    self.thread = thread
    self.logger = logger
    self.user = user
    socketDirectory = configuration.chosenSocketDirectory(runsAs: user.user_id)
    guard configuration.fits(socketDirectory) else {
      throw .noSocketDirectory("\(socketDirectory) is too long for a socket's path")
    }
  }

  /// How a role reaches a database of the cluster.
  public nonisolated func settings(
    database: String, user: String, password: String?, applicationName: String = "terrane"
  ) -> ConnectionSettings {
    ConnectionSettings(
      host: socketDirectory, port: configuration.port, database: database, user: user, password: password,
      applicationName: applicationName)
  }

  /// How the superuser reaches a database. Valid once the cluster has been made.
  public nonisolated func superuserSettings(
    database: String = "postgres"
  ) throws(PrivateClusterError) -> ConnectionSettings {
    do {
      let password = try PosixFile.text(passwordPath).trimmed
      return settings(database: database, user: configuration.superuser, password: password)
    } catch { throw error.asClusterError }
  }

  /// The file that holds the superuser's password, mode 0600.
  public nonisolated var passwordPath: String { "\(configuration.parent)/superuser.password" }

  /// The server's main process, while it is known to run.
  public var postmasterProcessID: Int32? { processID }

  // MARK: Start and stop

  /// Makes the cluster if there is none, adopts its server if it runs, else starts it; returns when it takes connections.
  @discardableResult
  public func start() async throws -> Origin {
    await takeTurn()
    defer { leaveTurn() }
    isWanted = true
    do {
      let wasMade = try await prepare()
      let origin = try await bringUp()
      return wasMade ? .initialised : origin
    } catch {
      isWanted = false
      throw error
    }
  }

  /// Stops the server: sessions are ended, transactions rolled back, everything is written.
  public func stop() async throws {
    isWanted = false
    await takeTurn()
    defer { leaveTurn() }
    generation += 1
    guard let file = PostmasterFile.read(dataDirectory: configuration.dataDirectory), file.isAlive else {
      processID = nil
      return
    }
    try await end(file.processID)
    processID = nil
  }

  private func takeTurn() async {
    if !isBusy {
      isBusy = true
      return
    }
    await withCheckedContinuation { turns.append($0) }
  }

  private func leaveTurn() {
    if turns.isEmpty { isBusy = false } else { turns.removeFirst().resume() }
  }

  // MARK: Bringing the server up

  private func bringUp() async throws -> Origin {
    let deadline = ContinuousClock.now + configuration.startTimeout
    if let processID = try await adopt(until: deadline) {
      watch(processID)
      return .adopted
    }
    var lastFailure: (any Error)?
    while ContinuousClock.now < deadline {
      do {
        watch(try await launch(until: deadline))
        return .started
      } catch let error as PrivateClusterError {
        // Backends of a server that was killed hold its shared memory until they notice.
        guard case .startFailed(let log) = error, log.contains("still in use") || log.contains("postmaster.pid") else {
          throw error
        }
        lastFailure = error
        try await Task.sleep(for: .milliseconds(250))
      }
    }
    throw lastFailure ?? PrivateClusterError.timedOut("PostgreSQL did not become ready")
  }

  /// The running server of this data directory, checked; nil: there is none.
  private func adopt(until deadline: ContinuousClock.Instant) async throws -> pid_t? {
    while let file = PostmasterFile.read(dataDirectory: configuration.dataDirectory), file.isAlive {
      guard ContinuousClock.now < deadline else {
        throw PrivateClusterError.timedOut("the running server is \(file.status)")
      }
      if file.status == "ready" {
        if file.socketDirectory != socketDirectory || file.port != configuration.port {
          logger.notice(
            "restarting PostgreSQL: its socket is elsewhere", metadata: ["socket": "\(file.socketDirectory)"])
          try await end(file.processID)
          return nil
        }
        try await checkIdentity()
        // New settings that need no restart are taken over.
        kill(file.processID, SIGHUP)
        logger.info("adopted the running PostgreSQL", metadata: ["pid": "\(file.processID)"])
        return file.processID
      }
      try await Task.sleep(for: .milliseconds(50))
    }
    return nil
  }

  private func launch(until deadline: ContinuousClock.Instant) async throws -> pid_t {
    let child = try await spawnServer()
    defer { close(child.process_descriptor) }
    while ContinuousClock.now < deadline {
      if cprocess_wait_descriptor(child.process_descriptor, 0) == 0 {
        var result = cprocess_exit()
        cprocess_reap(child.process_id, false, &result)
        throw PrivateClusterError.startFailed(log: logTail())
      }
      if let file = PostmasterFile.read(dataDirectory: configuration.dataDirectory),
        file.processID == child.process_id, file.status == "ready"
      {
        try await checkIdentity()
        logger.info("started PostgreSQL", metadata: ["pid": "\(child.process_id)", "socket": "\(socketDirectory)"])
        return child.process_id
      }
      try await Task.sleep(for: .milliseconds(20))
    }
    throw PrivateClusterError.timedOut("PostgreSQL did not become ready: \(logTail())")
  }

  /// Proves that what answers on the socket serves our files.
  private func checkIdentity() async throws {
    let connection = try await PostgresConnection.connect(
      try superuserSettings().named("terrane cluster check"), on: thread, patience: .seconds(10))
    defer { connection.close() }
    let row = try await connection.query("SELECT system_identifier FROM pg_control_system()").oneRow()
    let served = UInt64(bitPattern: try row.int64("system_identifier"))
    let path = "\(configuration.dataDirectory)/global/pg_control"
    let control: [UInt8]
    do { control = try PosixFile.read(path) } catch { throw error.asClusterError }
    // ControlFileData begins with the identifier, in the machine's byte order.
    let ours = control.count >= 8 ? control.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) } : 0
    guard served == ours else {
      throw PrivateClusterError.foreignServer("system identifier \(served), our files have \(ours)")
    }
  }

  private func end(_ processID: pid_t) async throws {
    var descriptor: Int32 = -1
    guard cprocess_open_descriptor(processID, &descriptor) == 0 else { return }
    let patience = Int32(clamping: configuration.stopTimeout.milliseconds)
    let watched = descriptor
    let ended = await BlockingCall.run(name: "pg-stop") {
      defer { close(watched) }
      cprocess_signal_descriptor(watched, SIGINT)
      var ended = cprocess_wait_descriptor(watched, patience) == 0
      if !ended {
        cprocess_signal_descriptor(watched, SIGQUIT)
        ended = cprocess_wait_descriptor(watched, 10_000) == 0
      }
      var result = cprocess_exit()
      if ended { cprocess_reap(processID, false, &result) }
      return ended
    }
    guard ended else { throw PrivateClusterError.timedOut("PostgreSQL (process \(processID)) did not stop") }
  }

  // MARK: Watching over it

  private func watch(_ processID: pid_t) {
    self.processID = processID
    generation += 1
    var descriptor: Int32 = -1
    let generation = generation
    guard cprocess_open_descriptor(processID, &descriptor) == 0 else {
      Task { [weak self] in await self?.serverEnded(generation) }
      return
    }
    let watched = descriptor
    BlockingCall.detach(name: "pg-watch") { [weak self] in
      cprocess_wait_descriptor(watched, -1)
      close(watched)
      // A server that was adopted is not our child: then there is nothing to reap.
      var result = cprocess_exit()
      cprocess_reap(processID, false, &result)
      Task { [weak self] in await self?.serverEnded(generation) }
    }
  }

  private func serverEnded(_ generation: Int) async {
    guard isWanted, generation == self.generation else { return }
    processID = nil
    logger.error("PostgreSQL ended unexpectedly; starting it again", metadata: ["log": "\(logTail())"])
    var backoff = Backoff(first: .milliseconds(200), most: .seconds(30))
    while await !restarted(generation) { try? await Task.sleep(for: backoff.next()) }
  }

  /// One try to bring the server back. True: done, or nobody wants it any more.
  private func restarted(_ generation: Int) async -> Bool {
    await takeTurn()
    defer { leaveTurn() }
    guard isWanted, generation == self.generation else { return true }
    do {
      _ = try await bringUp()
      return true
    } catch {
      logger.error("PostgreSQL did not come back", metadata: ["error": "\(error)"])
      return false
    }
  }
}

extension FileError {
  var asClusterError: PrivateClusterError { .file(path: path, error: reason ?? "bad name") }
}
