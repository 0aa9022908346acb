internal import PostgreSQL

/// Where completions go: the shared write connections in batches, or the publishing connection one at a time.
final class CompletionLanes: Sendable {
  private let batches: GroupCommit<TaskCompletion, CompletionVerdict>
  private let publishing: GroupCommit<TaskCompletion, CompletionVerdict>

  init(
    write: CommitLanes, publish: CommitLanes, types: [String: JobTypeDefinition], delegate: any ChainDelegate,
    registered: [String: String], actor: String, crashLoop: Int, observer: any EngineObserver
  ) {
    func lane(_ lanes: CommitLanes, rows: Int, name: String, mayPublish: Bool)
      -> GroupCommit<TaskCompletion, CompletionVerdict>
    {
      let batch = CompletionBatch(
        advance: ChainAdvance(types: types, delegate: delegate, mayPublish: mayPublish), registered: registered,
        actor: actor, crashLoop: crashLoop, observer: observer, failPoint: name)
      return GroupCommit(
        lanes: lanes, limits: .init(batchRows: rows), failPoints: name,
        size: { 256 + ($0.outcome.result?.utf8.count ?? 0) }, areInOrder: { $0.task < $1.task }
      ) { transaction, rows in
        try await batch.run(rows, in: transaction).map { .success($0) }
      }
    }
    batches = lane(write, rows: 256, name: "completion", mayPublish: false)
    publishing = lane(publish, rows: 1, name: "publish", mayPublish: true)
  }

  /// - Parameter publishes: The task's job may end its operation by publishing.
  func submit(_ completion: TaskCompletion, publishes: Bool) async throws -> CompletionVerdict {
    try await (publishes ? publishing : batches).submit(completion)
  }
}
