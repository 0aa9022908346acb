import CoreMachine
import DatasetsTesting
import Logging
import PostgreSQL
import Synchronization
import Testing

@testable import Datasets

/// One line for each change, and none where nothing changed.
@Suite struct EventLogTests {
  let me = TestDatasets.caller()

  /// Keeps the lines of a logger.
  final class Lines: Sendable {
    struct Line: Sendable {
      var level: Logger.Level
      var message: String
      var fields: [String: String]
      subscript(_ name: String) -> String? { fields[name] }
    }
    private let lines = Mutex<[Line]>([])
    var all: [Line] { lines.withLock { $0 } }

    struct Handler: LogHandler {
      let lines: Lines
      var metadata: Logger.Metadata = [:]
      var logLevel: Logger.Level = .trace
      subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
      }
      func log(event: LogEvent) {
        let fields = (event.metadata ?? [:]).mapValues { "\($0)" }
        lines.lines.withLock { $0.append(Line(level: event.level, message: "\(event.message)", fields: fields)) }
      }
    }
    var logger: Logger { Logger(label: "test-events") { _ in Handler(lines: self) } }
  }

  /// A registry that writes into a log, and the lines once everything before has been written.
  private struct Book {
    let registry: DatasetRegistry
    let log: EventLog
    let lines = Lines()

    init(_ datasets: TestDatasets) {
      log = EventLog(pool: datasets.pool, logger: lines.logger)
      registry = DatasetRegistry(
        writers: CommitLanes(datasets.settings, thread: datasets.pool.thread), pool: datasets.pool,
        retention: TestDatasets.retention, observer: log, clock: { "2026-01-02T03:04:05Z" })
    }

    func finished() async -> [Lines.Line] {
      log.finish()
      await log.run()
      return lines.all
    }
  }

  @Test func equalCreatesWithAndWithoutRequestIDsAreOneLine() async throws {
    let datasets = try await TestDatasets.shared()
    let book = Book(datasets)
    let identity = try TestDatasets.identity()
    let ids = [TestDatasets.requestID(), TestDatasets.requestID()]
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<40 {
        let id: [UInt8]? = number.isMultiple(of: 3) ? nil : ids[number % 2]
        group.addTask {
          _ = try? await book.registry.create(identity, TestDatasets.spec(), TestDatasets.caller(requestID: id))
        }
      }
    }
    // A replay of either, long after: whether or not it was the one that made it.
    for id in ids {
      _ = try await book.registry.create(identity, TestDatasets.spec(), TestDatasets.caller(requestID: id))
    }
    let record = try await book.registry.get(DatasetKey(of: identity))
    let lines = await book.finished()
    #expect(lines.count == 1)
    let line = try #require(lines.first)
    #expect(line["event"] == "dataset.create")
    #expect(line["dataset_key"] == "\(record.key)")
    #expect(line["name"] == "\(identity.datasetID)/r/v1")
    #expect(line["generation"] == "1")
    #expect(line["operation"] == "\(try #require(record.operation).id)")
    #expect([line["from"], line["to"]] == ["NONE", "DRAFT"])
    #expect(line["actor"] == me.principal)
  }

  @Test func callsThatChangeNothingSayNothing() async throws {
    let datasets = try await TestDatasets.shared()
    let book = Book(datasets)
    let identity = try TestDatasets.identity(namespace: "crops")
    let key = DatasetKey(of: identity)
    let id = TestDatasets.requestID()
    _ = try await book.registry.create(identity, TestDatasets.spec(), me)
    // Many cancels at once, and one after.
    await withTaskGroup(of: Void.self) { group in
      for _ in 0..<8 { group.addTask { _ = try? await book.registry.cancel(key, me) } }
    }
    _ = try await book.registry.cancel(key, me)
    await #expect(throws: Problem.self) { try await book.registry.undelete(key, me) }
    let again = try await book.registry.retry(key, me)
    _ = try await book.registry.delete(key, TestDatasets.caller(requestID: id))
    _ = try await book.registry.delete(key, TestDatasets.caller(requestID: id))
    _ = try await book.registry.delete(key, me)
    _ = try await book.registry.undelete(key, me)
    _ = try await book.registry.delete(key, me)
    let purging = try await book.registry.purge(key, me)
    _ = try await book.registry.purge(key, me)
    let duties = DatasetDuties(pool: datasets.pool, retention: TestDatasets.retention, observer: book.log)
    while try await duties.purge(datasetPK: purging.pk) == false { try await datasets.collectGarbage(of: purging.pk) }
    _ = try await duties.purge(datasetPK: purging.pk)
    let lines = await book.finished()
    #expect(
      lines.map { "\($0["event"] ?? "") \($0["from"] ?? "")>\($0["to"] ?? "")" } == [
        "dataset.create NONE>DRAFT", "operation.cancel QUEUED>CANCELLED", "dataset.retry DRAFT>DRAFT",
        "operation.cancel QUEUED>CANCELLED", "dataset.delete DRAFT>DELETED", "dataset.undelete DELETED>DRAFT",
        "dataset.delete DRAFT>DELETED", "dataset.purge DELETED>PURGING", "dataset.finish_purge PURGING>PURGED",
      ])
    #expect(lines.allSatisfy { $0["dataset_key"] == "\(key)" && $0["name"] == "@crops/\(identity.datasetID)/r/v1" })
    let retry = try #require(lines.first { $0["event"] == "dataset.retry" })
    #expect(retry["operation"] == "\(try #require(again.operation).id)")
    #expect(retry["retry_of"] == "\(try #require(again.operation?.retryOf))")
    #expect(lines.first { $0["event"] == "dataset.delete" }?["request_id"] == id.hexDigits)
    #expect(lines.last?["actor"] == "terrane:purge")
    // Once each in the books, too.
    #expect(try await datasets.moves(purging.pk).count == 7 + 1)
  }

  @Test func namesOfWhatAnEngineDidAreLookedUp() async throws {
    let datasets = try await TestDatasets.shared()
    let draft = try await datasets.draft("looked-up")
    let lines = Lines()
    let log = EventLog(pool: datasets.pool, logger: lines.logger)
    let operation = try #require(draft.operation).id
    log.committed([
      EngineEvent(
        resource: .task, from: "RUNNING", to: "WAITING", subject: draft.pk, operation: operation, step: 2,
        jobType: "ingest_vector", task: 7, attempt: 3, reason: "TASK_SILENT", duration: .milliseconds(1_500))
    ])
    log.committed([EngineEvent(resource: .operation, from: "QUEUED", to: "RUNNING", subject: 0, operation: 9)])
    log.finish()
    await log.run()
    #expect(lines.all.map(\.level) == [.warning, .info])
    #expect(
      lines.all[0].fields == [
        "event": "task.retry", "dataset_key": "\(draft.key)", "name": draft.identity.reference, "generation": "1",
        "operation": "\(operation)", "from": "RUNNING", "to": "WAITING", "actor": "terrane:coremachine", "step": "2",
        "job_type": "ingest_vector", "task": "7", "attempt": "3", "reason": "TASK_SILENT", "duration_ms": "1500",
      ])
    #expect(lines.all[1]["dataset_pk"] == "0", "a line is written also where the dataset is not known")
  }

  @Test func everyMoveOfAnOperationJobOrTaskThatIsToldHasANameOfItsTable() {
    let machines = [StateMachine.operation, .job, .task]
    let moves = Set(machines.flatMap { machine in machine.transitions.map { "\(machine.resource).\($0.move)" } })
    let datasetMoves = Set(DatasetState.Move.allCases.map { "dataset.\($0.rawValue)" })
    // Calls that leave a dataset's state as it is, and the publish that is its operation's.
    let own = moves.union(datasetMoves).union(["dataset.create", "dataset.retry", "dataset.reprocess"])
    for name in EventName.allCases { #expect(own.contains(name.rawValue)) }
    let silent: Set = [
      "operation.begin", "operation.ask", "operation.provide_input", "operation.expire_input", "job.start",
      "job.carry_over", "job.cancel", "task.plan", "task.fall_due", "dataset.publish", "dataset.deprecate",
      "dataset.reinstate",
    ]
    #expect(own.subtracting(silent) == Set(EventName.allCases.map(\.rawValue)))
  }
}
