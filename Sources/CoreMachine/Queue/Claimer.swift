internal import Glibc
internal import Logging
internal import PostgreSQL

/// Claims tasks for free slots: as many as are free in one statement, woken by a notification, a slot that came free, a
/// retry that falls due, or the poll.
struct Claimer: Sendable {
  let batch: ClaimBatch
  let settings: CoreMachineSettings
  let attempts: RunningAttempts
  let runner: AttemptRunner
  let connection: ConnectionPool
  let bell: Bell
  let observer: any EngineObserver
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
    let (claimed, due) = try await connection.transaction(TransactionOptions(failPoints: "claim")) { transaction in
      try await batch.run(slots: slots, in: transaction)
    }
    if !claimed.isEmpty { observer.committed(events(of: claimed)) }
    for task in claimed {
      unused.remove(task.slot)
      start(task)
    }
    if claimed.count == slots.count { return nil }
    return due.map { min($0 + .milliseconds(5), settings.poll.jittered) }
  }

  private func events(of claimed: [ClaimedTask]) -> [EngineEvent] {
    var started: Set<Int64> = []
    return claimed.flatMap { task in
      let claim = EngineEvent(
        resource: .task, from: "QUEUED", to: "RUNNING", subject: task.subject, operation: task.operationID,
        step: task.step, jobType: task.jobType, task: task.id, attempt: task.attempt)
      guard task.operationStarted, started.insert(task.operationID).inserted else { return [claim] }
      let start = EngineEvent(
        resource: .operation, from: "QUEUED", to: "RUNNING", subject: task.subject, operation: task.operationID,
        step: task.step, jobType: task.jobType)
      return [start, claim]
    }
  }

  private func start(_ task: ClaimedTask) {
    // The claim asked for handlers of these types; a stage that is not there any more has the defaults.
    let stages = batch.types[task.jobType]?.stages ?? []
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
