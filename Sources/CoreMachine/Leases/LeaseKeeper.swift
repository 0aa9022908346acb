internal import Logging
internal import PostgreSQL

/// Renews the leases of the children that report, in one statement on a connection of its own, and ends those that went
/// silent, took too long or were refused. While the database is away children run on: a renewal refused afterwards ends
/// them.
struct LeaseKeeper: Sendable {
  let engine: PGUUID
  let settings: CoreMachineSettings
  let attempts: RunningAttempts
  let connection: ConnectionPool
  let health: DatabaseHealth
  let logger: Logger

  /// Until cancelled.
  func run() async {
    while !Task.isCancelled {
      let began = ContinuousClock.now
      await renew()
      let next = began + settings.renewal
      if next > .now { try? await Task.sleep(until: next, clock: .continuous) }
    }
  }

  static let renewal =
    "SELECT task_id, attempt, stop FROM coremachine.renew_leases($1, $2::bigint[], $3::integer[], $4)"

  func renew() async {
    let now = ContinuousClock.now
    var renewed: [Attempt] = []
    for attempt in attempts.all {
      let health = attempt.health(now)
      if let ending = health.ending {
        logger.warning(
          "a task is ended",
          metadata: ["task": "\(attempt.task.id)", "attempt": "\(attempt.task.attempt)", "why": "\(ending)"])
        attempt.end(ending)
      }
      if health.renew { renewed.append(attempt) }
    }
    do {
      // Asked also when nothing runs: it is how the engine knows that its database is there.
      let rows = try await connection.query(
        Self.renewal,
        [
          .uuid(engine), .int64Array(renewed.map(\.task.id)), .int32Array(renewed.map(\.task.attempt)),
          .int64(settings.lease.milliseconds),
        ])
      health.succeeded(startedAt: now)
      var held: [Int64: Bool] = [:]
      for row in rows { held[try row.int64("task_id")] = try row.bool("stop") }
      for attempt in renewed {
        switch held[attempt.task.id] {
        case nil:
          // Completed a moment ago, or taken: for one that has completed the ending means nothing any more.
          attempt.end(.lost)
        case true?: attempt.end(.stopped)
        case false?: break
        }
      }
    } catch {
      health.failed()
      if !Task.isCancelled { logger.warning("leases were not renewed", metadata: ["error": "\(error)"]) }
    }
  }
}
