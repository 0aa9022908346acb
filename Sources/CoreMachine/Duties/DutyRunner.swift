internal import Logging
internal import PostgreSQL

/// Claims duties that are due and runs them, one after another.
struct DutyRunner: Sendable {
  let engine: PGUUID
  let settings: CoreMachineSettings
  let duties: [String: DutyDefinition]
  /// How long another engine waits for this one to say that a duty is finished.
  let lease: Duration
  let connection: ConnectionPool
  let logger: Logger

  /// Failures in a row after which a duty is an alarm in the log.
  private static let alarm = 5

  /// Until cancelled.
  func run() async {
    var scheduled = false
    var hasForgotten = false
    while !Task.isCancelled {
      var found = 0
      do {
        if hasForgotten {
          try await forget()
          hasForgotten = false
        }
        if !scheduled {
          try await schedulePeriodic()
          scheduled = true
        }
        found = try await runDue()
      } catch {
        // What was claimed and not said to be finished would wait for its lease to run out, two minutes of no garbage and no purge.
        hasForgotten = true
        if !Task.isCancelled { logger.warning("duties were not claimed", metadata: ["error": "\(error)"]) }
      }
      if found == 0 { try? await Task.sleep(for: min(settings.poll, shortest).jittered) }
    }
  }

  /// Gives back what this engine has claimed: nothing of it runs between two rounds.
  private func forget() async throws {
    try await connection.query(
      "UPDATE coremachine.duties SET engine = NULL, leased_until = NULL WHERE engine = $1", [.uuid(engine)])
  }

  private var shortest: Duration { duties.values.compactMap(\.every).min() ?? settings.poll }

  private func schedulePeriodic() async throws {
    for duty in duties.values where duty.every != nil {
      try await connection.query("SELECT coremachine.schedule_duty($1, '')", [.text(duty.kind)])
    }
  }

  private func runDue() async throws -> Int {
    let rows = try await connection.query(
      "SELECT * FROM coremachine.claim_duties($1, $2::text[], $3, $4)",
      [.uuid(engine), .textArray(Array(duties.keys)), .int64(4), .int64(lease.milliseconds)])
    for row in rows {
      guard !Task.isCancelled, let duty = duties[try row.text("kind")] else { break }
      let context = DutyContext(
        key: try row.text("key"), payload: try row.text("payload"), failures: try row.int("failures"))
      let (next, error) = await perform(duty, context)
      try await connection.query(
        "SELECT coremachine.finish_duty($1, $2, $3, $4)",
        [
          .int64(try row.int64("duty_id")), .int64(try row.int64("attempt")), .optional(next?.milliseconds),
          .optional(error),
        ])
    }
    return rows.count
  }

  private func perform(_ duty: DutyDefinition, _ context: DutyContext) async -> (next: Duration?, error: String?) {
    do {
      switch try await duty.run(context) {
      case .done: return (duty.every, nil)
      case .again(let after): return (after, nil)
      }
    } catch {
      let failures = context.failures + 1
      let pause = min(.seconds(300), settings.poll * (1 << min(10, failures)))
      let metadata: Logger.Metadata = [
        "duty": "\(duty.kind)", "key": "\(context.key)", "failures": "\(failures)", "error": "\(error)",
      ]
      if failures >= Self.alarm {
        logger.error("a duty fails again and again", metadata: metadata)
      } else {
        logger.warning("a duty failed", metadata: metadata)
      }
      return (pause, "\(error)")
    }
  }
}
