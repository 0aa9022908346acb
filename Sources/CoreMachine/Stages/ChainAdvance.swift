internal import PostgreSQL
internal import TaskProtocol

/// A stage whose last task ended, with everything that decides what follows.
struct ConcludedStage: Sendable {
  var ordinal: Int
  /// SUCCEEDED, FAILED or CANCELLED.
  var state: StageState
  var problem: ProblemReport?
  var results: [String]
  var jobType: String
  var step: Int
  var parameters: String
  var operation: OperationView
}

/// What the engine writes after a stage.
enum Move: Sendable {
  /// The stages without tasks before it, then the stage; `name` nil: only those.
  case planStage(operation: Int64, step: Int, firstOrdinal: Int, empty: [String], name: String?, tasks: [TaskSpec])
  case refuseStage(operation: Int64, step: Int, ordinal: Int, name: String, problem: ProblemReport)
  case endJob(operation: Int64, step: Int, state: StageState, results: [String]?, problem: ProblemReport?)
  case planJob(operation: Int64, step: Int, type: JobTypeDefinition, job: NextJob)
  case endOperation(id: Int64, from: OperationState, to: OperationState, problem: ProblemReport?)
  case effect(Effect)
  case touch(subject: Int64)
}

/// The delegate asked to publish in a lane that does not publish.
struct PublishesOutsideItsLane: Error {}

/// Computes what follows a stage. Pure: no clock, no database.
struct ChainAdvance: Sendable {
  let types: [String: JobTypeDefinition]
  let delegate: any ChainDelegate
  /// Whether this is the publishing lane.
  let mayPublish: Bool

  func moves(after stage: ConcludedStage) throws -> [Move] {
    var moves: [Move] = []
    switch stage.state {
    case .succeeded:
      try proceed(
        &moves, stage.operation, step: stage.step, jobType: stage.jobType, parameters: stage.parameters, inputBytes: 0,
        after: stage.ordinal, results: stage.results)
    case .failed:
      let problem = stage.problem ?? ProblemReport(reason: "INTERNAL", message: "The step failed without a reason.")
      moves.append(
        .endJob(operation: stage.operation.id, step: stage.step, state: .failed, results: nil, problem: problem))
      fail(&moves, stage.operation, problem)
    case .cancelled:
      moves.append(
        .endJob(operation: stage.operation.id, step: stage.step, state: .cancelled, results: nil, problem: nil))
      // An operation cancelled while it was QUEUED is terminal already.
      if stage.operation.state == .cancelling {
        end(&moves, stage.operation, from: .cancelling, to: .cancelled, problem: nil)
      }
    case .queued, .running:
      break
    }
    return moves
  }

  private func end(
    _ moves: inout [Move], _ operation: OperationView, from: OperationState, to: OperationState, problem: ProblemReport?
  ) {
    moves.append(.endOperation(id: operation.id, from: from, to: to, problem: problem))
    let transition = OperationTransition(operation: operation, from: from, to: to, problem: problem)
    moves += delegate.effects(of: transition).map(Move.effect)
    moves.append(.touch(subject: operation.subject))
  }

  private func fail(_ moves: inout [Move], _ operation: OperationView, _ problem: ProblemReport) {
    end(&moves, operation, from: .running, to: .failed, problem: problem)
  }

  /// The next stage of the job that has tasks, else the job's end and what follows it.
  private func proceed(
    _ moves: inout [Move], _ operation: OperationView, step: Int, jobType: String, parameters: String,
    inputBytes: Int64,
    after ordinal: Int, results: [String]
  ) throws {
    guard let type = types[jobType] else {
      throw ProblemReport(reason: "INTERNAL", message: "Job type \(jobType) is not known here.", transient: true)
    }
    var empty: [String] = []
    var input = results
    for definition in type.stages.dropFirst(ordinal) {
      let tasks: [TaskSpec]
      do {
        tasks = try definition.fanOut.tasks(
          StageInput(jobParameters: parameters, results: input), inputBytes: inputBytes)
        guard tasks.count >= definition.minTasks else {
          throw ProblemReport(
            reason: "NO_INPUT",
            message: "There is nothing to do in stage \(definition.name): \(tasks.count) of at least "
              + "\(definition.minTasks) inputs.", details: ["stage": definition.name])
        }
      } catch {
        let problem = problem(error)
        if !empty.isEmpty {
          moves.append(
            .planStage(
              operation: operation.id, step: step, firstOrdinal: ordinal + 1, empty: empty, name: nil, tasks: []))
        }
        moves.append(
          .refuseStage(
            operation: operation.id, step: step, ordinal: ordinal + empty.count + 1, name: definition.name,
            problem: problem))
        moves.append(
          .endJob(operation: operation.id, step: step, state: .failed, results: nil, problem: problem))
        fail(&moves, operation, problem)
        return
      }
      if tasks.isEmpty {
        empty.append(definition.name)
        input = []
        continue
      }
      moves.append(
        .planStage(
          operation: operation.id, step: step, firstOrdinal: ordinal + 1, empty: empty, name: definition.name,
          tasks: tasks))
      moves.append(.touch(subject: operation.subject))
      return
    }
    if !empty.isEmpty {
      moves.append(
        .planStage(operation: operation.id, step: step, firstOrdinal: ordinal + 1, empty: empty, name: nil, tasks: []))
    }
    moves.append(.endJob(operation: operation.id, step: step, state: .succeeded, results: input, problem: nil))
    let finished = FinishedJob(step: step, type: jobType, parameters: parameters, results: input)
    try follow(&moves, finished, operation, publishes: type.publishes)
  }

  private func follow(
    _ moves: inout [Move], _ job: FinishedJob, _ former: OperationView, publishes: Bool
  ) throws {
    var operation = former
    operation.jobs.append(job)
    let step: ChainStep
    do { step = try delegate.next(after: job, of: operation) } catch { step = .fail(problem(error)) }
    switch step {
    case .publish(let effects):
      guard mayPublish, publishes else { throw PublishesOutsideItsLane() }
      moves.append(.endOperation(id: operation.id, from: .running, to: .succeeded, problem: nil))
      moves += effects.map(Move.effect)
      moves.append(.touch(subject: operation.subject))
    case .fail(let problem, let effects):
      moves += effects.map(Move.effect)
      fail(&moves, operation, problem)
    case .job(let next, let effects):
      moves += effects.map(Move.effect)
      guard let type = types[next.type] else {
        fail(&moves, operation, ProblemReport(reason: "INTERNAL", message: "Job type \(next.type) is not known."))
        return
      }
      moves.append(.planJob(operation: operation.id, step: job.step + 1, type: type, job: next))
      moves.append(.touch(subject: operation.subject))
      if let plan = next.plan { operation.plan = plan.json }
      try proceed(
        &moves, operation, step: job.step + 1, jobType: next.type, parameters: next.parameters,
        inputBytes: next.inputBytes, after: 0, results: [])
    }
  }

  private func problem(_ error: any Error) -> ProblemReport {
    (error as? ProblemReport)
      ?? ProblemReport(reason: "INTERNAL", message: "The next step could not be planned: \(error)")
  }
}

extension Move {
  /// The statement that makes the move; nil for `touch`, which is made once, last, for all subjects.
  func statement(_ registered: [String: String]) throws -> PostgresStatement? {
    switch self {
    case .planStage(let operation, let step, let first, let empty, let name, let tasks):
      return PostgresStatement(
        "SELECT coremachine.plan_stage($1, $2, $3, $4::text[], $5, $6::text[], $7::bigint[])",
        [
          .int64(operation), .int64(Int64(step)), .int64(Int64(first)), .textArray(empty), .optional(name),
          .textArray(tasks.map(\.parameters)), .int64Array(tasks.map(\.inputBytes)),
        ])
    case .refuseStage(let operation, let step, let ordinal, let name, let problem):
      return PostgresStatement(
        "SELECT coremachine.refuse_stage($1, $2, $3, $4, $5)",
        [
          .int64(operation), .int64(Int64(step)), .int64(Int64(ordinal)), .text(name), .text(try problem.json()),
        ])
    case .endJob(let operation, let step, let state, let results, let problem):
      return PostgresStatement(
        "SELECT coremachine.end_job($1, $2, $3, $4::text[], $5)",
        [
          .int64(operation), .int64(Int64(step)), .text(state.rawValue), results.map { .textArray($0) } ?? .null,
          .optional(try problem?.json()),
        ])
    case .planJob(let operation, let step, let type, let job):
      return PostgresStatement(
        "SELECT coremachine.plan_job($1, $2, $3, $4, $5, $6, $7, $8::float8[])",
        [
          .int64(operation), .int64(Int64(step)), .text(type.name), .int64(Int64(type.handlerVersion)),
          .int64(Int64(type.stages.count)), .text(job.parameters), .optional(job.plan?.json),
          job.plan.map { .float8Array($0.stepWeights) } ?? .null,
        ])
    case .endOperation(let id, let from, let to, let problem):
      return PostgresStatement(
        "SELECT coremachine.end_operation($1, $2, $3, $4)",
        [.int64(id), .text(from.rawValue), .text(to.rawValue), .optional(try problem?.json())])
    case .effect(let effect):
      guard let sql = registered[effect.statement] else { throw UnregisteredStatement(name: effect.statement) }
      return PostgresStatement(sql, effect.parameters)
    case .touch:
      return nil
    }
  }
}

/// An effect named a statement that nobody registered.
public struct UnregisteredStatement: Error, CustomStringConvertible {
  public var name: String
  public var description: String { "no statement is registered under \(name)" }
}
