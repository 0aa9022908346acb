import CoreMachine
import DatasetsTesting
import PostgreSQL
import TaskProtocol
import Testing
@testable import Datasets

@Suite struct StatusTests {
  /// The table of the domain's design: dataset state, operation state, status before and after the chain is planned.
  static let table: [(DatasetState, OperationState, OutwardStatus, OutwardStatus)] = [
    (.draft, .inputRequired, .inputRequired, .inputRequired),
    (.draft, .queued, .requested, .requested),
    (.draft, .running, .provisioning, .processing),
    (.draft, .cancelling, .provisioning, .processing),
    (.draft, .failed, .failed, .failed),
    (.draft, .cancelled, .cancelled, .cancelled),
    (.published, .inputRequired, .inputRequired, .inputRequired),
    (.published, .queued, .updating, .updating),
    (.published, .running, .updating, .updating),
    (.published, .cancelling, .updating, .updating),
    (.published, .succeeded, .ready, .ready),
    (.published, .failed, .ready, .ready),
    (.published, .cancelled, .ready, .ready),
  ]

  @Test func everyPairHasItsStatus() {
    var seen = 0
    for dataset in DatasetState.allCases {
      for operation in OperationState.allCases {
        for planned in [false, true] {
          let status = OutwardStatus(dataset: dataset, operation: operation, isPlanned: planned)
          switch dataset {
          case .deleted, .purging, .purged: #expect(status == .deleted)
          case .deprecated: #expect(status == .deprecated)
          case .draft where operation == .succeeded:
            // Impossible (the database refuses it); never shown as data that is there.
            #expect(!status.isTerminal)
          default:
            let row = Self.table.first { $0.0 == dataset && $0.1 == operation }
            #expect(status == (planned ? row?.3 : row?.2), "\(dataset) \(operation) planned: \(planned)")
          }
          seen += 1
        }
      }
    }
    #expect(seen == 6 * 7 * 2)
    #expect(Self.table.count == 13)
  }

  @Test func withoutAnOperation() {
    #expect(OutwardStatus(dataset: .draft, operation: nil, isPlanned: false) == .requested)
    #expect(OutwardStatus(dataset: .published, operation: nil, isPlanned: false) == .ready)
  }

  @Test func whatIsTerminal() {
    let terminal = Set(OutwardStatus.allCases.filter(\.isTerminal))
    #expect(terminal == [.ready, .failed, .cancelled, .deprecated, .deleted])
  }

  @Test func swiftAndDatabaseHaveTheSameMoves() async throws {
    let datasets = try await TestDatasets.shared()
    let rows = try await datasets.administrator.query("SELECT from_state, to_state, move FROM datasets.transitions")
    let stored = Set(try rows.map { "\(try $0.text("from_state")) \(try $0.text("to_state")) \(try $0.text("move"))" })
    let known = Set(DatasetState.transitions.map { "\($0.from.rawValue) \($0.to.rawValue) \($0.move.rawValue)" })
    #expect(stored == known)
    #expect(rows.count == DatasetState.transitions.count)
  }

  @Test func theDatabaseRefusesEveryOtherMove() async throws {
    let datasets = try await TestDatasets.shared()
    let created = try await datasets.registry.create(
      TestDatasets.identity(), TestDatasets.spec(), TestDatasets.caller()
    ).dataset
    for from in DatasetState.allCases {
      for to in DatasetState.allCases where to != from {
        let legal = DatasetState.transitions.contains { $0.from == from && $0.to == to }
        let refusal = try await datasets.attempt(created.pk, from: from, to: to)
        if legal {
          #expect(refusal == nil, "\(from) → \(to)")
        } else {
          #expect(refusal?.constraint == "datasets_transition", "\(from) → \(to)")
        }
      }
    }
  }

  @Test func aDatasetBeginsAsADraft() async throws {
    let datasets = try await TestDatasets.shared()
    let error = await #expect(throws: PostgresError.self) {
      try await datasets.administrator.query(
        """
        INSERT INTO datasets.datasets (key, generation, namespace, dataset_id, resource_id, version_id, dataset_type, spec,
          created_by, state, published_build) VALUES (sha256('x'), 1, 'n', 'd', 'r', 'v', 'vector', '{}', 'me', 'PUBLISHED', 1)
        """)
    }
    #expect(error?.constraint == "datasets_transition")
  }

  @Test func publishingAndSucceededAreOneTransaction() async throws {
    let datasets = try await TestDatasets.shared()
    let driver = ChainDriver(datasets)
    let draft = try await datasets.registry.create(
      TestDatasets.identity(), TestDatasets.spec(), TestDatasets.caller()
    ).dataset
    try await driver.run(draft, to: "verify")
    let operation = try #require(draft.operation?.id)
    let alone = await #expect(throws: PostgresError.self) {
      try await datasets.pool.query(
        "SELECT coremachine.end_operation($1, 'RUNNING', 'SUCCEEDED', NULL)", [.int64(operation)])
    }
    #expect(alone?.constraint == "datasets_published")
    let other = await #expect(throws: PostgresError.self) {
      try await datasets.pool.query(
        "UPDATE datasets.datasets SET state = 'PUBLISHED', published_build = $2 WHERE pk = $1",
        [.int64(draft.pk), .int64(operation)])
    }
    #expect(other?.constraint == "datasets_succeeded")
    try await driver.succeed(draft)
    #expect(try await datasets.registry.get(draft.key).status == .ready)
  }

  @Test func historyIsAppendOnlyForTheServer() async throws {
    let datasets = try await TestDatasets.shared()
    for statement in [
      "UPDATE datasets.events SET actor = 'x'", "DELETE FROM datasets.events", "DELETE FROM datasets.transitions",
      "INSERT INTO datasets.transitions VALUES ('PURGED', 'DRAFT', 'revive')",
      "UPDATE datasets.transitions SET move = 'x'",
    ] {
      let error = await #expect(throws: PostgresError.self) { try await datasets.pool.query(statement) }
      #expect(error?.sqlState == "42501", "\(statement)")
    }
  }
}

extension TestDatasets {
  /// Puts a dataset into `from` past the trigger, tries the move, and takes everything back. What refused it, if anything.
  fileprivate func attempt(_ pk: Int64, from: DatasetState, to: DatasetState) async throws -> PostgresError? {
    struct Back: Error {}
    let refusal = Refusal()
    do {
      try await administrator.transaction { transaction in
        let columns = "published_build = 1, former_state = 'DRAFT', purge_at = now()"
        _ = try await transaction.query("SET LOCAL session_replication_role = replica", [])
        _ = try await transaction.query(
          "UPDATE datasets.datasets SET state = $2, \(columns) WHERE pk = $1", [.int64(pk), .text(from.rawValue)])
        _ = try await transaction.query("SET LOCAL session_replication_role = origin", [])
        do {
          _ = try await transaction.query(
            "UPDATE datasets.datasets SET state = $2 WHERE pk = $1", [.int64(pk), .text(to.rawValue)])
        } catch let error as PostgresError { await refusal.set(error) }
        throw Back()
      }
    } catch is Back {}
    return await refusal.error
  }
}

private actor Refusal {
  var error: PostgresError?
  func set(_ error: PostgresError) { self.error = error }
}
