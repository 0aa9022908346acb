public import Logging
public import PostgreSQL
internal import Synchronization

/// The connections an engine works with.
public struct CoreMachineDatabase: Sendable {
  /// Shared with the caller's own group commits.
  public var write: CommitLanes
  /// One connection: publishing runs one at a time.
  public var publish: CommitLanes
  public var leases: ConnectionPool
  public var claim: ConnectionPool
  /// For DDL, adoption, duties. On a thread of its own.
  public var slow: ConnectionPool
  public var listener: NotificationListener

  public init(
    write: CommitLanes, publish: CommitLanes, leases: ConnectionPool, claim: ConnectionPool, slow: ConnectionPool,
    listener: NotificationListener
  ) {
    self.write = write
    self.publish = publish
    self.leases = leases
    self.claim = claim
    self.slow = slow
    self.listener = listener
  }

  /// The budget of a server: 2 write, 1 publish, 1 leases, 1 claim, 2 slow, 1 LISTEN.
  public init(_ settings: ConnectionSettings, thread: DatabaseThread, slowThread: DatabaseThread) {
    func named(_ name: String) -> ConnectionSettings { settings.named("\(settings.applicationName)/\(name)") }
    self.init(
      write: CommitLanes(named("write"), thread: thread),
      publish: CommitLanes(named("publish"), count: 1, thread: thread, lockTimeout: .seconds(10)),
      leases: ConnectionPool(
        named("leases").statementTimeout(.seconds(5)).planningOnce(), size: 1, thread: thread),
      claim: ConnectionPool(named("claim").lockTimeout(.seconds(2)), size: 1, thread: thread),
      slow: ConnectionPool(named("slow"), size: 2, thread: slowThread),
      listener: NotificationListener(named("listen"), thread: thread))
  }

  /// Closes all of them.
  public func close() async {
    listener.close()
    claim.close()
    leases.close()
    slow.close()
    await write.close()
    await publish.close()
  }
}

/// The engine: claims tasks, runs them in children, completes them, publishes, and does the duties. Everything it knows is
/// in the database: another engine, or the same after a crash, goes on from there.
public final class CoreMachine: Sendable {
  /// What became different, for watchers.
  public let changes: ChangeFeed
  /// Names this start of the engine in leases and events.
  public let engine: PGUUID

  private let database: CoreMachineDatabase
  private let settings: CoreMachineSettings
  private let types: [JobTypeDefinition]
  private let attempts: RunningAttempts
  private let completions: CompletionLanes
  private let leases: LeaseKeeper
  private let reaper: Reaper
  private let claimer: Claimer
  private let canceller: Canceller
  private let duties: DutyRunner
  private let reaping: DutyRunner
  private let progress: ProgressLane
  private let taskBell = Bell()
  private let cancelBell = Bell()
  private let logger: Logger
  private let loops = Mutex(Loops())

  private struct Loops {
    var claiming: [Task<Void, Never>] = []
    var others: [Task<Void, Never>] = []
  }

  /// - Parameters:
  ///   - jobTypes: All types a chain may name; their tasks are what this engine claims.
  ///   - statements: What effects name, as SQL.
  ///   - garbage: How to remove what the ledger lists, by kind. Kinds `schema` (staging) and `scratch` are the engine's own.
  ///   - duties: The caller's duties, such as purge.
  ///   - observer: Is told of moves once they are committed.
  public init(
    database: CoreMachineDatabase, settings: CoreMachineSettings, jobTypes: [JobTypeDefinition],
    delegate: any ChainDelegate, statements: [String: String], launcher: any TaskLauncher,
    garbage: [GarbageRemover] = [], duties: [DutyDefinition] = [],
    observer: any EngineObserver = NoEngineObserver(), logger: Logger
  ) {
    let engine = PGUUID.random()
    let types = Dictionary(jobTypes.map { ($0.name, $0) }, uniquingKeysWith: { _, last in last })
    let attempts = RunningAttempts(slots: settings.slots.count)
    let health = DatabaseHealth()
    self.engine = engine
    self.database = database
    self.settings = settings
    self.types = jobTypes
    self.attempts = attempts
    self.logger = logger
    changes = ChangeFeed(
      connection: database.leases, listener: database.listener, poll: settings.poll, logger: logger)
    completions = CompletionLanes(
      write: database.write, publish: database.publish, types: types, delegate: delegate, registered: statements,
      actor: "engine:\(engine)", crashLoop: settings.crashLoop, observer: observer)
    progress = ProgressLane(
      lanes: database.write, attempts: attempts, interval: settings.progressInterval, logger: logger)
    leases = LeaseKeeper(
      engine: engine, settings: settings, attempts: attempts, connection: database.leases, health: health,
      logger: logger)
    reaper = Reaper(
      settings: settings, completions: completions, connection: database.slow, health: health, logger: logger)
    claimer = Claimer(
      batch: ClaimBatch(
        engine: engine, lease: settings.lease, types: types, delegate: delegate, registered: statements),
      settings: settings, attempts: attempts,
      runner: AttemptRunner(
        settings: settings, types: types, launcher: launcher, attempts: attempts, progress: progress,
        completions: completions, slow: database.slow, logger: logger),
      connection: database.claim, bell: taskBell, observer: observer, logger: logger)
    canceller = Canceller(
      engine: engine, settings: settings, attempts: attempts, completions: completions, connection: database.claim,
      bell: cancelBell, logger: logger)
    let collector = GarbageCollector(
      settings: settings,
      removers: Dictionary(
        ([.stagingSchema, .scratch(root: settings.scratchRoot)] + garbage).map { ($0.kind, $0) },
        uniquingKeysWith: { _, last in last }),
      connection: database.slow, logger: logger)
    func runner(_ duties: [DutyDefinition], lease: Duration) -> DutyRunner {
      DutyRunner(
        engine: engine, settings: settings,
        duties: Dictionary(duties.map { ($0.kind, $0) }, uniquingKeysWith: { _, last in last }), lease: lease,
        connection: database.slow, logger: logger)
    }
    // The reaper waits for no other duty, and nobody waits long for a reaper that died.
    reaping = runner([Self.reaping(settings, reaper)], lease: settings.lease)
    self.duties = runner(Self.duties(settings, collector, database.slow) + duties, lease: settings.dutyLease)
  }

  private static func reaping(_ settings: CoreMachineSettings, _ reaper: Reaper) -> DutyDefinition {
    DutyDefinition(kind: "reap", every: min(settings.poll, settings.lease / 3)) { _ in
      try await reaper.reap()
      return .done
    }
  }

  private static func duties(
    _ settings: CoreMachineSettings, _ collector: GarbageCollector, _ slow: ConnectionPool
  ) -> [DutyDefinition] {
    [
      DutyDefinition(kind: "collect_garbage", every: settings.garbageInterval) { _ in try await collector.collect() },
      DutyDefinition(kind: "retention", every: settings.retentionInterval) { _ in
        try await slow.query(
          "SELECT coremachine.keep_event_partitions(2, make_interval(months => $1))",
          [.int64(Int64(settings.eventRetentionMonths))])
        let gone = try await slow.query(
          "SELECT coremachine.forget_tasks($1::text::interval, 10000) AS n", [.text(settings.taskRetention.interval)])
        return try gone.oneRow().int64("n") == 10_000 ? .again(after: .zero) : .done
      },
    ]
  }

  /// Registers the job types and starts working. The schema is there already.
  public func start() async throws {
    if !settings.slots.isEmpty { try Self.emptyScratch(settings.scratchRoot) }
    try await database.slow.transaction { transaction in
      _ = try await transaction.pipeline([
        PostgresStatement(
          """
          INSERT INTO coremachine.job_types AS t (job_type, handler_version, first_stage, stage_count)
          SELECT * FROM unnest($1::text[], $2::integer[], $3::text[], $4::integer[])
          ON CONFLICT (job_type) DO UPDATE SET handler_version = EXCLUDED.handler_version,
            first_stage = EXCLUDED.first_stage, stage_count = EXCLUDED.stage_count
          WHERE t.handler_version <= EXCLUDED.handler_version
          """,
          [
            .textArray(types.map(\.name)), .int32Array(types.map { Int32($0.handlerVersion) }),
            .textArray(types.map { $0.stages[0].name }), .int32Array(types.map { Int32($0.stages.count) }),
          ]),
        PostgresStatement(
          "INSERT INTO coremachine.engines (engine, host, slots) VALUES ($1, $2, $3)",
          [.uuid(engine), .text(settings.host), .int64(Int64(settings.slots.count))]),
      ])
    }
    try await changes.begin()
    try await reaper.reapPredecessor(host: settings.host, engine: engine)
    let (listener, taskBell, cancelBell) = (database.listener, taskBell, cancelBell)
    let claiming = settings.slots.isEmpty ? [] : [Task { [claimer] in await claimer.run() }]
    let others = [
      Task { [leases] in await leases.run() },
      Task { [canceller] in await canceller.run() },
      Task { [duties] in await duties.run() },
      Task { [reaping] in await reaping.run() },
      Task { [progress] in await progress.run() },
      Task { for await _ in listener.subscribe(to: "terrane_tasks") { taskBell.ring() } },
      Task { for await _ in listener.subscribe(to: "terrane_cancel") { cancelBell.ring() } },
    ]
    loops.withLock { $0 = Loops(claiming: claiming, others: others) }
  }

  /// Stops: claims no more, gives running tasks `drain` to end, gives the others back, and returns when nothing runs.
  public func stop(drain: Duration = .zero) async {
    let loops = loops.withLock { loops in
      defer { loops = Loops() }
      return loops
    }
    for loop in loops.claiming { loop.cancel() }
    for loop in loops.claiming { await loop.value }
    let patience = Task { [attempts] in
      do { try await Task.sleep(for: drain) } catch { return }
      for attempt in attempts.all { attempt.end(.released) }
    }
    await attempts.waitUntilEmpty()
    patience.cancel()
    for loop in loops.others { loop.cancel() }
    for loop in loops.others { await loop.value }
  }

  /// Looks for tasks now: for a caller that has just committed a `begin_operations` of its own.
  public func wake() { taskBell.ring() }

  /// How many tasks run here.
  public var running: Int { attempts.count }
}
