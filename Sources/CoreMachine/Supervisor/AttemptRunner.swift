#if canImport(FoundationEssentials)
  internal import FoundationEssentials
#else
  internal import Foundation
#endif
internal import Glibc
internal import Logging
internal import PostgreSQL
internal import TaskProtocol

/// Runs one claimed task from its lease to its completion.
struct AttemptRunner: Sendable {
  let settings: CoreMachineSettings
  let types: [String: JobTypeDefinition]
  let launcher: any TaskLauncher
  let attempts: RunningAttempts
  let progress: ProgressLane
  let completions: CompletionLanes
  /// For what is slow: DDL, adoption, ending sessions.
  let slow: ConnectionPool
  let logger: Logger

  func run(_ attempt: Attempt) async {
    let task = attempt.task
    let scratch = "\(settings.scratchRoot)/\(task.id)-\(task.attempt)"
    let outcome: TaskOutcome?
    do {
      let assignment = try await prepare(attempt, scratch: scratch)
      let child = try await launcher.launch(assignment) { attempt.take($0) }
      attempt.started(child)
      let exit = await child.ended()
      attempt.settling(until: .now + settings.settleLimit)
      if attempt.outcome == nil || attempt.ending != nil || exit != TaskExit() { await endSessions(of: task) }
      await progress.flush(attempt)
      outcome = await self.outcome(of: attempt, exit, scratch: scratch)
    } catch {
      outcome = attempt.ending == .lost ? nil : failure(of: attempt, self.problem(error))
    }
    let adopted = ContinuousClock.now
    if let outcome { await complete(attempt, outcome) }
    logger.debug(
      "an attempt has ended",
      metadata: log(task).merging(["job": "\(task.jobType)", "operation": "\(task.operationID)"]) { $1 }
        .merging(attempt.timeline.spans(adopted: adopted, completed: .now)) { $1 })
    removeScratch(scratch)
  }

  // MARK: Before

  /// Commits the intents, makes what the child works in, and says what the child is to do.
  private func prepare(_ attempt: Attempt, scratch: String) async throws -> TaskAssignment {
    let task = attempt.task
    attempt.settling(until: .now + settings.settleLimit)
    guard let type = types[task.jobType] else {
      throw ProblemReport(reason: "INTERNAL", message: "Job type \(task.jobType) is not known here.")
    }
    let slot = settings.slots[task.slot]
    let database = type.needsDatabase ? settings.childDatabase : nil
    try await slow.transaction(TransactionOptions(failPoints: "prepare")) { transaction in
      var intents = [("scratch", scratch, Optional(settings.host))]
      if database != nil { intents.append(("schema", task.stagingSchema, nil)) }
      let identity = AttemptIdentity(
        subject: task.subject, operationID: task.operationID, taskID: task.id, attempt: task.attempt)
      for thing in type.intends?(identity) ?? [] { intents.append((thing.kind, thing.identifier, settings.host)) }
      for (kind, identifier, location) in intents {
        let intended = try await transaction.query(
          "SELECT coremachine.ledger_intend($1, $2, $3, $4, $5)",
          [.int64(task.id), .int32(task.attempt), .text(kind), .text(identifier), .optional(location)])
        guard try intended.oneRow().optional(at: 0, as: Int64.self) != nil else { throw LeaseLost() }
      }
      if database != nil {
        // Both names are the engine's own, of letters, digits and underscores; quoted all the same.
        var ddl = "CREATE SCHEMA \(quoted(task.stagingSchema));"
        if let role = slot.role {
          ddl += "GRANT USAGE, CREATE ON SCHEMA \(quoted(task.stagingSchema)) TO \(quoted(role));"
        }
        try await transaction.execute(script: ddl)
      }
    }
    try FileManager.default.createDirectory(
      atPath: scratch, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    return TaskAssignment(
      taskID: task.id, attempt: task.attempt, operationID: task.operationID, jobType: task.jobType, stage: task.stage,
      handlerVersion: Int32(type.handlerVersion), parameters: task.parameters,
      database: database.map {
        TaskDatabase(
          host: $0.host, port: $0.port, database: $0.database, user: slot.role ?? "", password: slot.password,
          applicationName: task.applicationName, keywords: $0.keywords)
      },
      stagingSchema: database == nil ? nil : task.stagingSchema, scratchDirectory: scratch,
      allowedRoots: settings.allowedRoots, dataAPIURL: settings.dataAPIURL,
      silenceLimitMs: attempt.stage.silenceLimit.milliseconds, memoryLimitBytes: settings.memoryLimitBytes)
  }

  // MARK: After

  /// What the attempt comes to; nil when its lease is lost and nothing may be said.
  private func outcome(of attempt: Attempt, _ exit: TaskExit, scratch: String) async -> TaskOutcome? {
    switch attempt.ending {
    case .lost: return nil
    case .stopped: return .cancelled
    case .released: return .released
    case .silent:
      return failure(
        of: attempt, transient("TASK_SILENT", "The task reported nothing for \(attempt.stage.silenceLimit)."))
    case .overTime:
      return failure(of: attempt, transient("TASK_TIME_LIMIT", "The task took longer than its limit."))
    case nil: break
    }
    if let violation = exit.violation {
      return failure(
        of: attempt,
        ProblemReport(reason: "TASK_PROTOCOL", message: "The task process was ended: \(violation).").bounded)
    }
    switch attempt.outcome {
    case .failed(let problem):
      return failure(of: attempt, problem.bounded)
    case .completed(let result):
      return await adopt(attempt, result: result.withoutEscapedNULs, scratch: scratch)
    case .completedInFile(let name):
      do {
        let result = try ResultFile.read(directory: scratch, name: name)
        return await adopt(attempt, result: result.withoutEscapedNULs, scratch: scratch)
      } catch {
        return failure(of: attempt, problem(error))
      }
    case .heartbeat, .progress, .warning, nil:
      let how = exit.signal != 0 ? "by signal \(exit.signal)" : "with status \(exit.code)"
      return failure(of: attempt, transient("TASK_CRASHED", "The task process ended \(how) without a result."))
    }
  }

  /// No row: another attempt is current, or the operation is being cancelled. The lock holds off whoever would end the
  /// attempt until the adoption has committed.
  static let adoptionFence = """
    SELECT t.task_id FROM coremachine.tasks t JOIN coremachine.operations o USING (operation_id)
    WHERE t.task_id = $1 AND t.attempt = $2 AND t.state = 'RUNNING' AND o.state = 'RUNNING'
    FOR NO KEY UPDATE OF t
    """

  /// Takes over what the child made, in one transaction that only the current attempt gets through.
  private func adopt(_ attempt: Attempt, result: String, scratch: String) async -> TaskOutcome? {
    let task = attempt.task
    guard let type = types[task.jobType], let hook = type.adopt else { return .succeeded(result: result) }
    var pause: Duration = .milliseconds(200)
    while true {
      do {
        let adopted = try await slow.transaction(TransactionOptions(failPoints: "adopt")) { transaction in
          let current = try await transaction.query(Self.adoptionFence, [.int64(task.id), .int32(task.attempt)])
          guard !current.isEmpty else { throw LeaseLost() }
          return try await hook(
            AdoptionContext(
              transaction: transaction, taskID: task.id, attempt: task.attempt, operationID: task.operationID,
              subject: task.subject, kind: task.kind, step: task.step, jobType: task.jobType, stage: task.stage,
              stagingSchema: type.needsDatabase ? task.stagingSchema : nil, slotRole: settings.slots[task.slot].role,
              scratchDirectory: scratch, parameters: task.parameters, result: result))
        }
        return .succeeded(result: adopted)
      } catch is LeaseLost {
        // Fenced, or cancelled meanwhile: the completion finds out which.
        return .cancelled
      } catch let error as PostgresError where error.isTransient || error.isConnectionFailure {
        logger.warning("adopting is tried again", metadata: ["task": "\(task.id)", "error": "\(error)"])
        guard attempt.ending != .lost, attempt.ending != .released, attempt.health(.now).renew else { return nil }
        try? await Task.sleep(for: pause)
        pause = min(pause * 2, .seconds(5))
      } catch {
        return failure(of: attempt, problem(error))
      }
    }
  }

  private func failure(of attempt: Attempt, _ problem: ProblemReport) -> TaskOutcome {
    let policy = attempt.stage.retry
    guard problem.transient,
      let delay = policy.delay(afterFailures: attempt.task.failures + 1, random: .random(in: 0..<1))
    else { return .failed(problem) }
    return .retry(problem, after: delay)
  }

  private func complete(_ attempt: Attempt, _ first: TaskOutcome) async {
    var outcome = first
    var pause: Duration = .milliseconds(100)
    let task = attempt.task
    let publishes = types[task.jobType]?.publishes ?? false
    while attempt.ending != .lost {
      do {
        let verdict = try await completions.submit(
          TaskCompletion(
            task: task.id, attempt: task.attempt, outcome: outcome, place: TaskPlace(task), duration: attempt.age),
          publishes: publishes)
        if verdict == .stale { logger.info("an attempt that is not current changed nothing", metadata: log(task)) }
        return
      } catch let error as PostgresError
        where error.isTransient || error.isConnectionFailure || error.kind == .commitOutcomeUnknown
      {
        logger.warning("completing is tried again", metadata: log(task).merging(["error": "\(error)"]) { $1 })
        // An engine that stops does not wait for a database that is away: the lease runs out.
        guard attempt.health(.now).renew, attempt.ending != .released else { return }
        try? await Task.sleep(for: pause)
        pause = min(pause * 2, .seconds(5))
      } catch {
        // What follows cannot be written: the operation fails with that, rather than being tried for ever.
        logger.error("a completion was refused", metadata: log(task).merging(["error": "\(error)"]) { $1 })
        guard case .succeeded = outcome else { return }
        outcome = .failed(problem(error, transient: false))
      }
    }
  }

  // MARK: Cleaning up

  /// Sessions of a dead child: a CREATE INDEX would go on without it.
  private func endSessions(of task: ClaimedTask) async {
    guard types[task.jobType]?.needsDatabase ?? false, settings.childDatabase != nil else { return }
    do { _ = try await slow.query(terminateSessions, [.text(task.applicationName)]) } catch {
      logger.warning(
        "sessions of a dead task were not ended", metadata: log(task).merging(["error": "\(error)"]) { $1 })
    }
  }

  private func removeScratch(_ path: String) { try? FileManager.default.removeItem(atPath: path) }

  private func problem(_ error: any Error, transient: Bool? = nil) -> ProblemReport {
    var problem = ProblemReport(cause: error)
    if let transient { problem.transient = transient }
    return problem.bounded
  }

  private func transient(_ reason: String, _ message: String) -> ProblemReport {
    ProblemReport(reason: reason, message: message, transient: true)
  }

  private func log(_ task: ClaimedTask) -> Logger.Metadata { ["task": "\(task.id)", "attempt": "\(task.attempt)"] }
}

/// The attempt is not the current one any more.
struct LeaseLost: Error {}

/// Ends the sessions of an attempt.
let terminateSessions = """
  SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND pid <> pg_backend_pid()
  """

/// An SQL identifier.
func quoted(_ identifier: String) -> String {
  "\"" + identifier.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
}

/// A result too long for a line, in a file of the scratch directory. The child is hostile: the name is a plain one, links
/// are not followed, and no more than the limit is read.
enum ResultFile {
  static func read(directory: String, name: String) throws -> String {
    guard !name.isEmpty, !name.hasPrefix("."), !name.contains("/") else { throw refused("has no plain name") }
    let descriptor = open("\(directory)/\(name)", O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw refused("cannot be opened") }
    defer { close(descriptor) }
    var information = stat()
    guard fstat(descriptor, &information) == 0, information.st_mode & S_IFMT == S_IFREG,
      information.st_size <= TaskProtocolLimits.resultFile
    else { throw refused("is no plain file of at most \(TaskProtocolLimits.resultFile) bytes") }
    var bytes = [UInt8](repeating: 0, count: Int(information.st_size))
    var filled = 0
    while filled < bytes.count {
      let count = bytes.withUnsafeMutableBytes { buffer in
        Glibc.read(descriptor, buffer.baseAddress.unsafelyUnwrapped + filled, buffer.count - filled)
      }
      guard count > 0 else { throw refused("could not be read whole") }
      filled += count
    }
    guard let text = String(validating: bytes, as: UTF8.self), (try? JSONValue(text: text)) != nil else {
      throw refused("is not JSON")
    }
    return text
  }

  private static func refused(_ what: String) -> ProblemReport {
    ProblemReport(reason: "TASK_PROTOCOL", message: "The result file of the task \(what).")
  }
}
