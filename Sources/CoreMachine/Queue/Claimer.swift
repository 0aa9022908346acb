internal import Glibc
internal import Logging
internal import PostgreSQL

/// Claims tasks for free slots: as many as are free in one statement, woken by a notification, a slot that came free, a
/// retry that falls due, or the poll.
struct Claimer: Sendable {
  let engine: PGUUID
  let settings: CoreMachineSettings
  let types: [String: JobTypeDefinition]
  let delegate: any ChainDelegate
  let registered: [String: String]
  let attempts: RunningAttempts
  let runner: AttemptRunner
  let connection: ConnectionPool
  let bell: Bell
  let logger: Logger

  /// Until cancelled.
  func run() async {
    var wait = settings.poll
    while !Task.isCancelled {
      do {
        wait = try await claim() ?? settings.poll.jittered
      } catch {
        wait = settings.poll.jittered
        if !Task.isCancelled { logger.warning("no tasks could be claimed", metadata: ["error": "\(error)"]) }
      }
      if wait > .zero { await bell.wait(upTo: wait) }
    }
  }

  /// How long to wait for more, or nil for the poll's interval.
  private func claim() async throws -> Duration? {
    let slots = attempts.takeFreeSlots()
    guard !slots.isEmpty else { return nil }
    var unused = Set(slots)
    defer { attempts.giveBack(slots: unused.sorted(by: >)) }
    guard try await hasRoom() else { return nil }
    let (claimed, due) = try await transact(slots: slots)
    for task in claimed {
      unused.remove(task.slot)
      start(task)
    }
    if claimed.count == slots.count { return nil }
    return due.map { min($0 + .milliseconds(5), settings.poll.jittered) }
  }

  private func transact(slots: [Int]) async throws -> ([ClaimedTask], Duration?) {
    try await connection.transaction(TransactionOptions(failPoints: "claim")) { transaction in
      let results = try await transaction.pipeline([
        PostgresStatement(
          "SELECT * FROM coremachine.claim_tasks($1, $2::text[], $3::integer[], $4)",
          [
            .uuid(engine), .textArray(types.values.map(\.handler)), .int32Array(slots.map(Int32.init)),
            .int64(settings.lease.milliseconds),
          ]),
        "SELECT coremachine.next_due_ms() AS due",
      ])
      let claimed = try results[0].map(ClaimedTask.init)
      let started = claimed.filter(\.operationStarted)
      if !started.isEmpty {
        let views = try await views(of: started, in: transaction)
        var statements: [PostgresStatement] = []
        for view in views {
          let transition = OperationTransition(operation: view, from: .queued, to: .running)
          statements += try delegate.effects(of: transition).compactMap { try Move.effect($0).statement(registered) }
        }
        statements.append(touchStatement(views.map(\.subject)))
        _ = try await transaction.commit(after: statements)
      }
      return (claimed, try results[1].oneRow().optionalInt64("due").map { .milliseconds($0) })
    }
  }

  /// The operations that began to run. Only a retry has finished jobs by then.
  private func views(of started: [ClaimedTask], in transaction: PostgresTransaction) async throws -> [OperationView] {
    var jobs: [Int64: [FinishedJob]] = [:]
    let retries = started.filter { $0.step > 1 }.map(\.operationID)
    if !retries.isEmpty {
      let rows = try await transaction.query(
        """
        SELECT operation_id, step, job_type, parameters::text AS parameters, results::text[] AS results
        FROM coremachine.jobs WHERE operation_id = ANY ($1::bigint[]) AND state = 'SUCCEEDED' ORDER BY operation_id, step
        """, [.int64Array(retries)])
      for row in rows {
        jobs[try row.int64("operation_id"), default: []].append(
          FinishedJob(
            step: try row.int("step"), type: try row.text("job_type"), parameters: try row.text("parameters"),
            results: try row.optionalArray("results", of: String.self) ?? []))
      }
    }
    var seen: Set<Int64> = []
    return started.filter { seen.insert($0.operationID).inserted }.map {
      OperationView(
        id: $0.operationID, subject: $0.subject, kind: $0.kind, retryOf: $0.retryOf, state: .queued, plan: $0.plan,
        jobs: jobs[$0.operationID] ?? [])
    }
  }

  private func start(_ task: ClaimedTask) {
    // The claim asked for handlers of these types; a stage that is not there any more has the defaults.
    let stages = types[task.jobType]?.stages ?? []
    let stage =
      stages.indices.contains(task.stageOrdinal - 1)
      ? stages[task.stageOrdinal - 1] : StageDefinition(name: task.stage)
    let attempt = Attempt(task, stage: stage, cancelGrace: settings.cancelGrace)
    attempts.add(attempt)
    Task {
      await runner.run(attempt)
      attempts.remove(attempt)
      bell.ring()
    }
  }

  /// Below the reserve plus the largest queued input nothing is begun: what runs needs the rest.
  private func hasRoom() async throws -> Bool {
    guard settings.diskReserveBytes > 0 else { return true }
    var information = statvfs()
    guard statvfs(settings.scratchRoot, &information) == 0 else { return true }
    let free = Int64(clamping: UInt64(information.f_bavail) &* UInt64(information.f_frsize))
    // The largest input is asked for only when it could matter.
    if free > settings.diskReserveBytes &* 64 { return true }
    let largest = try await connection.query(
      "SELECT COALESCE(max(input_bytes), 0) AS bytes FROM coremachine.tasks WHERE state = 'QUEUED'")
    let needed = settings.diskReserveBytes + (try largest.oneRow().int64("bytes"))
    if free >= needed { return true }
    logger.error(
      "no task is begun: the disk is nearly full",
      metadata: ["free_bytes": "\(free)", "needed_bytes": "\(needed)", "path": "\(settings.scratchRoot)"])
    return false
  }
}
