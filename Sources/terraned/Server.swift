internal import CoreMachine
internal import Credentials
internal import Datasets
internal import Foundation
internal import FramedRPC
internal import Logging
internal import PostgreSQL
internal import Services

/// Wires the parts together: what is started before what, and ended in the other order.
struct Server {
  let settings: Settings
  private let logger = Logger(label: "terraned")

  /// Free bytes below which the server is not ready.
  static let diskReserve = UInt64(2 << 30)

  init(_ settings: Settings) { self.settings = settings }

  func run() async throws {
    signal(SIGPIPE, SIG_IGN)
    let signals = StopSignals()
    let directory = try DataDirectory(settings)
    directory.removeEndpoint()
    logger.info(
      "starting",
      metadata: ["version": "\(TerraneVersion.current)", "data": "\(directory.path)", "user": "\(NSUserName())"])
    let store = CredentialStore(directory: directory.credentials)
    let certificates: CredentialStore.ServerCredentials
    do { certificates = try store.prepareServer(tlsNames: settings.tlsNames) } catch {
      throw StartError("credentials: \(error)")
    }

    let database = try await Database.open(settings, directory, store, logger)
    let python = DataAPIProcess(dataAPI(database, directory), logger: Logger(label: "data-api"))
    let parts: Parts
    do {
      let address = try await python.start()
      let publicURL = settings.publicURL ?? "http://\(address)"
      parts = try await start(database, directory, store, certificates, python, dataAPI: address, publicURL: publicURL)
      try directory.writeEndpoint(
        DataDirectory.Endpoint(
          rpc: "\(parts.address)", data_api: "http://\(address)", public_url: publicURL, pid: getpid(),
          version: TerraneVersion.current, roots: settings.roots, user: NSUserName()))
      announce(parts.address, publicURL, directory, metrics: parts.metricsPort?.address)
    } catch {
      await python.stop()
      await database.close(logger)
      throw error
    }

    let reloading = Task { [parts] in await Certificates(store, settings.tlsNames, parts.rpc).keepFresh() }
    defer { reloading.cancel() }
    let name = await signals.wait()
    logger.info("stopping", metadata: ["signal": "\(name)"])
    directory.removeEndpoint()
    await parts.rpc.drain(grace: .seconds(10))
    await parts.rpc.shutdown()
    await parts.metricsPort?.close()
    parts.feed.cancel()
    await parts.machine.stop()
    // What was changed to the last is written while names can still be looked up.
    parts.events.finish()
    await parts.eventLines.value
    await python.stop()
    await database.close(logger)
    logger.info("stopped")
  }

  private struct Parts {
    var rpc: RPCServer
    var address: ListeningAddress
    var metricsPort: MetricsPort?
    var machine: CoreMachine
    var feed: Task<Void, Never>
    var events: EventLog
    /// Writes the lines.
    var eventLines: Task<Void, Never>
  }

  private func dataAPI(_ database: Database, _ directory: DataDirectory) -> DataAPIProcess.Configuration {
    DataAPIProcess.Configuration(
      python: settings.python, package: settings.share + "/dataapi", host: settings.dataAPIHost,
      port: settings.dataAPIPort, publicURL: settings.publicURL,
      files: directory.files,
      database: database.place.environment(DatabaseInstaller.dataAPIRole, database.logins.dataAPI))
  }

  private func start(
    _ database: Database, _ directory: DataDirectory, _ store: CredentialStore,
    _ certificates: CredentialStore.ServerCredentials, _ python: DataAPIProcess, dataAPI: String, publicURL: String
  ) async throws -> Parts {
    let events = EventLog(pool: database.connections.slow, logger: Logger(label: "events"))
    let duties = DatasetDuties(pool: database.connections.slow, retention: settings.purgeAfter, observer: events)
    let machine = try makeMachine(
      database, directory, duties, events, dataAPI: "http://\(dataAPI)", publicURL: publicURL)
    let eventLines = Task { await events.run() }
    try await machine.start()

    let epoch = try await machine.changes.current().epoch
    let registry = DatasetRegistry(
      writers: database.connections.write, pool: database.connections.slow, retention: settings.purgeAfter,
      observer: events, clock: { RFC3339.now() })
    let access = Access(
      principals: PrincipalsFile(
        path: store.principalsPath,
        onDamage: { [logger] in logger.error("the table of principals cannot be read: nobody is let in", error: $0) }))
    let readiness = Readiness(checks: readinessChecks(database, directory, python))
    let metrics = Metrics(version: TerraneVersion.current)
    let view = ServerView()
    let services = DatasetServices(
      registry: registry, access: access,
      ledger: LedgerScan(pool: database.connections.slow, scratch: directory.scratch, files: directory.servedFiles),
      sources: SourcePolicy(roots: settings.roots), health: readiness, metrics: metrics, view: view,
      publicURL: publicURL,
      epoch: epoch,
      logger: Logger(label: "services"))

    var configuration = ServerConfiguration(
      host: settings.listenHost, port: settings.listenPort,
      tls: .server(
        certificateChainPath: certificates.certificate, privateKeyPath: certificates.key,
        authorityPath: certificates.authority, requiresClientCertificate: !settings.tokens))
    if let path = settings.socket {
      // What may read our files may be us.
      let admin = Principals.uri(of: CredentialStore.localAdmin)
      configuration.unixSocket = UnixSocket(path: path) { $0.uid == geteuid() || $0.uid == 0 ? admin : nil }
    }
    if settings.tokens {
      configuration.tokens = BearerTokens(
        file: TokensFile(
          path: store.tokensPath,
          onDamage: { [logger] in logger.error("the table of tokens cannot be read: none is good", error: $0) }))
    }
    configuration.limits.maxStreams = 10_000
    configuration.metrics = metrics.server
    if settings.accessLog { configuration.accessLog = Logger(label: "access") }
    let rpc = try RPCServer(
      configuration: configuration, router: services.router, authorizer: access, logger: Logger(label: "rpc"))
    view.begin(rpc)
    let address = try await rpc.start()
    var port: MetricsPort?
    if let (host, number) = settings.metrics {
      port = try await MetricsPort(host: host, port: number) { metrics.text }
    }
    let feed = Task {
      await withDiscardingTaskGroup { group in
        group.addTask { await services.follow(machine.changes) }
        group.addTask { await readiness.run() }
      }
    }
    return Parts(
      rpc: rpc, address: address, metricsPort: port, machine: machine, feed: feed, events: events,
      eventLines: eventLines)
  }

  /// What must work for the server to be ready: the database, the data API, room on the disk.
  private func readinessChecks(_ database: Database, _ directory: DataDirectory, _ python: DataAPIProcess)
    -> [Readiness.Check]
  {
    [
      Readiness.Check(name: "database") {
        (try? await database.connections.slow.query("SELECT 1")) != nil
      },
      Readiness.Check(name: "data_api") { python.address != nil },
      Readiness.Check(name: "disk") {
        var status = statvfs()
        guard statvfs(directory.path, &status) == 0 else { return false }
        return UInt64(status.f_bavail) * UInt64(status.f_frsize) > Self.diskReserve
      },
    ]
  }

  private func makeMachine(
    _ database: Database, _ directory: DataDirectory, _ duties: DatasetDuties, _ events: EventLog, dataAPI: String,
    publicURL: String
  ) throws -> CoreMachine {
    guard access(settings.taskProgram, X_OK) == 0 else {
      throw StartError(
        "user \(NSUserName()) cannot run \(settings.taskProgram); name the worker program with --task-program")
    }
    var machine = CoreMachineSettings(
      host: "local", scratchRoot: directory.scratch,
      slots: database.logins.slots.enumerated().map {
        WorkerSlot(role: DatabaseInstaller.slotRole($0.offset), password: $0.element)
      },
      childDatabase: ChildDatabase(
        host: database.place.host, port: Int(database.place.port), database: database.place.name,
        keywords: database.place.keywords))
    machine.allowedRoots = settings.roots
    machine.dataAPIURL = dataAPI
    machine.memoryLimitBytes = settings.taskMemory << 20
    machine.retryWindow = .seconds(settings.retryWindow)
    var secret = [UInt8](repeating: 0, count: 32)
    for index in secret.indices { secret[index] = UInt8.random(in: .min ... .max) }
    return CoreMachine(
      database: database.connections, settings: machine,
      jobTypes: DatasetJobs.definitions(files: directory.servedFiles),
      delegate: DatasetChain(
        publicURL: publicURL, secret: secret, replacedWindow: settings.replacedWindow,
        filesRoot: directory.files,
        largeRaster: settings.largeRaster * 1_000_000),
      statements: DatasetChain.statements,
      launcher: ProcessLauncher(
        ProcessLauncher.Configuration(executable: settings.taskProgram), logger: Logger(label: "tasks")),
      garbage: [DatasetGarbage.tables, DatasetGarbage.files(directory.servedFiles)], duties: duties.definitions,
      observer: events,
      logger: Logger(label: "coremachine"))
  }

  /// For the person who started it; the log is for machines.
  private func announce(_ address: ListeningAddress, _ publicURL: String, _ directory: DataDirectory, metrics: String?)
  {
    let roots = settings.roots.isEmpty ? "none (start with --root DIR)" : settings.roots.joined(separator: ", ")
    print(
      """
      Terrane \(TerraneVersion.current) is ready.
        RPC          \(address)   (TLS 1.3, client certificate)
        data API     \(publicURL)/
        files from   \(roots)
        credentials  \(directory.credentials)/local-admin\(metrics.map { "\n  metrics      http://\($0)/metrics" } ?? "")
      """)
    fflush(nil)
  }
}

/// SIGTERM and SIGINT as something to wait for; a second one ends the process at once.
final class StopSignals: Sendable {
  private let stream: AsyncStream<String>
  // Made in init, activated there, and only kept: nothing reads it.
  nonisolated(unsafe) private let sources: [any DispatchSourceSignal]

  init() {
    let (stream, continuation) = AsyncStream.makeStream(of: String.self)
    self.stream = stream
    sources = [(SIGTERM, "SIGTERM"), (SIGINT, "SIGINT")].map { number, name in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      nonisolated(unsafe) var count = 0  // only this source's handler, which never overlaps itself, touches it
      source.setEventHandler {
        count += 1
        if count > 1 { _exit(130) }
        continuation.yield(name)
      }
      source.activate()
      return source
    }
  }

  /// Returns the name of the first signal.
  func wait() async -> String {
    for await name in stream { return name }
    return "end"
  }
}
