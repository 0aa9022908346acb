public import CoreMachine
public import Logging
public import PostgreSQL

#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif

/// The schema and engines on it, with times that suit tests.
public struct EngineFixture: Sendable {
  public let settings: ConnectionSettings
  public let thread: DatabaseThread
  public let pool: ConnectionPool

  public init(_ settings: ConnectionSettings, thread: DatabaseThread) {
    self.settings = settings
    self.thread = thread
    pool = ConnectionPool(settings, size: 4, thread: thread)
  }

  /// Applies sql/000*.sql, and the tables of the scripted chain.
  public func install() async throws {
    let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "sql").path
    let names = try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.contains("coremachine") }
    try await pool.withConnection { connection in
      for name in names.sorted() {
        guard let script = FileManager.default.contents(atPath: "\(directory)/\(name)") else { continue }
        try await connection.execute(script: String(decoding: script, as: UTF8.self))
      }
      try await connection.execute(script: ScriptedChain.schema)
    }
  }

  /// Quick times.
  public static func quickSettings(slots: Int, scratchRoot: String) -> CoreMachineSettings {
    var settings = CoreMachineSettings(
      host: "test-\(UInt64.random(in: 0 ... .max))", scratchRoot: scratchRoot,
      slots: (0..<slots).map { _ in WorkerSlot() })
    settings.lease = .seconds(2)
    settings.renewal = .milliseconds(250)
    settings.poll = .milliseconds(150)
    settings.cancelGrace = .milliseconds(400)
    settings.progressInterval = .milliseconds(100)
    settings.garbageInterval = .milliseconds(150)
    settings.retryWindow = .milliseconds(300)
    settings.diskReserveBytes = 0
    return settings
  }

  /// An engine, started.
  public func engine(
    slots: Int = 4, jobTypes: [JobTypeDefinition] = ScriptedChain.jobTypes,
    launcher: any TaskLauncher = InProcessLauncher(Script.handler), garbage: [GarbageRemover] = [],
    duties: [DutyDefinition] = [], observer: any EngineObserver = NoEngineObserver(),
    logger: Logger = EngineFixture.logger,
    adjust: (inout CoreMachineSettings) -> Void = { _ in }
  ) async throws -> RunningEngine {
    var quick = Self.quickSettings(
      slots: slots, scratchRoot: "/tmp/coremachine-scratch-\(UInt64.random(in: 0 ... .max))")
    adjust(&quick)
    let database = CoreMachineDatabase(settings, thread: thread, slowThread: thread)
    let machine = CoreMachine(
      database: database, settings: quick, jobTypes: jobTypes, delegate: ScriptedChain(),
      statements: ScriptedChain.statements, launcher: launcher, garbage: garbage, duties: duties,
      observer: observer, logger: logger)
    try await machine.start()
    return RunningEngine(machine: machine, database: database, scratchRoot: quick.scratchRoot)
  }

  public static var logger: Logger {
    var logger = Logger(label: "coremachine-test")
    logger.logLevel = ProcessInfo.processInfo.environment["TERRANE_TEST_LOG"] == nil ? .critical : .debug
    return logger
  }

  /// Begins one operation and touches its subject.
  public func begin(
    subject: Int64, kind: String, parameters: String = "{}", retryOf: Int64? = nil, firstStep: Int = 1
  ) async throws -> Int64 {
    let chain = kind.split(separator: ",").map(String.init)
    return try await pool.transaction { transaction in
      let ids = try await transaction.query(
        "SELECT coremachine.begin_operations($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::int[]) AS ids",
        [
          .int64Array([subject]), .textArray([kind]), .int64Array([retryOf]), .textArray([chain[firstStep - 1]]),
          .textArray([parameters]), .int32Array([Int32(firstStep)]),
        ]
      ).oneRow().int64Array("ids")
      _ = try await transaction.commit(after: [
        PostgresStatement("SELECT coremachine.touch($1::bigint[])", [.int64Array([subject])])
      ])
      return ids[0]
    }
  }

  /// Cancels and answers the state afterwards.
  @discardableResult
  public func cancel(_ operation: Int64) async throws -> String? {
    try await pool.query("SELECT coremachine.cancel_operation($1) AS state", [.int64(operation)]).oneRow()
      .optionalText("state")
  }

  /// One value of a query.
  public func text(_ sql: String, _ parameters: [PGValue] = []) async throws -> String? {
    let rows = try await pool.query("SELECT (\(sql))::text AS value", parameters)
    return try rows.first?.optionalText("value")
  }

  public func state(_ operation: Int64) async throws -> String? {
    try await text("SELECT state FROM coremachine.operations WHERE operation_id = $1", [.int64(operation)])
  }

  /// Waits until the query answers `expected`, at most `limit`; answers what it said last.
  @discardableResult
  public func eventually(
    _ expected: String, within limit: Duration = .seconds(60), _ sql: String, _ parameters: [PGValue] = []
  ) async throws -> String? {
    let deadline = ContinuousClock.now + limit
    while true {
      let value = try await text(sql, parameters)
      if value == expected || ContinuousClock.now > deadline { return value }
      try await Task.sleep(for: .milliseconds(15))
    }
  }

  /// Waits until the operation is in a state.
  @discardableResult
  public func reaches(_ expected: String, _ operation: Int64, within limit: Duration = .seconds(60)) async throws
    -> String?
  {
    try await eventually(
      expected, within: limit, "SELECT state FROM coremachine.operations WHERE operation_id = $1", [.int64(operation)])
  }
}

/// An engine and its connections.
public struct RunningEngine: Sendable {
  public let machine: CoreMachine
  public let database: CoreMachineDatabase
  public let scratchRoot: String

  public func stop(drain: Duration = .zero) async {
    await machine.stop(drain: drain)
    await database.close()
    try? FileManager.default.removeItem(atPath: scratchRoot)
  }

  /// As if the process had died: its connections are gone, so it can say nothing any more.
  public func cutOff() async { await database.close() }
}
