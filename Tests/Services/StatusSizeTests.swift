import CoreMachine
import Datasets
import DatasetsTesting
import FramedMessages
import FramedRPC
import JobTypes
import PostgreSQL
import ProtobufFacade
import TaskProtocol
import TerraneMessages
import Testing

@testable import Services

/// DatasetStatus stays within its 8 KiB, whatever sources and tasks write.
@Suite struct StatusSizeTests {
  private let mapping = RecordMapping(publicURL: "https://data.example.org/a/rather/long/prefix", epoch: 1)

  private func record() async throws -> DatasetRecord {
    let datasets = try await TestDatasets.shared()
    let long = { (count: Int, letter: String) in String(repeating: letter, count: count) }
    let identity = try TestDatasets.identity()
    let name = try DatasetIdentity(
      namespace: long(63, "n"), datasetID: long(200, "d") + identity.datasetID.suffix(20), resourceID: long(255, "r"),
      versionID: long(50, "v"))
    let (draft, _) = try await datasets.registry.create(name, TestDatasets.spec(title: "t"), TestDatasets.caller())
    try await ChainDriver(datasets).publish(draft, layers: 50)
    return try await datasets.registry.get(draft.key)
  }

  /// What a watcher is sent.
  private func sent(_ record: DatasetRecord) throws -> DatasetStatus {
    try DatasetStatus(protobuf: mapping.statusMessage(record, now: 0).bytes)
  }

  @Test func withFiftyCollectionsAndLongNames() async throws {
    var record = try await record()
    let collections = try #require(record.result?.collections)
    #expect(collections.count == 50)
    record.result?.collections = collections.map {
      var collection = $0
      collection.id = String(repeating: "c", count: 63)
      collection.title = String(repeating: "ü", count: 500)
      return collection
    }
    let status = try sent(record)
    #expect(status.protobufBytes().count <= 8_192)
    #expect(status.result?.endpoint.hasPrefix("https://data.example.org") == true)
    #expect(status.result?.featureCount == 150)
    #expect(status.datasetKey == "\(record.key)")
    #expect((status.result?.collections.count ?? 0) >= 1)
    // GetDataset has them all.
    #expect(mapping.dataset(record, now: 0).result?.collections.count == 50)
  }

  @Test func smallOnesAreWhole() async throws {
    var record = try await record()
    record.identity = try DatasetIdentity(namespace: "", datasetID: "d", resourceID: "r", versionID: "v")
    record.result?.path = "/api/data/d/r/v"
    record.result?.collections.removeLast(45)
    #expect(try sent(record).result?.collections.count == 5)
  }

  /// Of a create that failed, and of an update: then the problem is its operation's, and what is served has none.
  @Test(arguments: [Datasets.DatasetState.draft, .published])
  func withALongProblemAndManyWarnings(_ state: Datasets.DatasetState) async throws {
    var record = try await record()
    record.state = state
    record.operation?.state = .failed
    let details = Dictionary(uniqueKeysWithValues: (0..<50).map { ("key \($0)", String(repeating: "x", count: 4_000)) })
    record.operation?.problem = Datasets.Problem(
      Datasets.Reason("LAYER_AMBIGUOUS"), String(repeating: "m", count: 4_000),
      location: Datasets.Problem.Location(
        layer: String(repeating: "l", count: 500), field: String(repeating: "f", count: 500)), details: details)
    let warnings = (0..<300).map { ("\(String(repeating: "W", count: 90))_\($0)", Int64($0)) }
    record.progress = try await progress(warnings: Dictionary(uniqueKeysWithValues: warnings))
    let status = try sent(record)
    #expect(status.protobufBytes().count <= 8_192)
    #expect((status.problem == nil) == (state == .published))
    let problem = try #require(status.problem ?? status.operation?.problem)
    #expect(problem.reason == "LAYER_AMBIGUOUS")
    #expect(problem.message.hasPrefix("mmm"))
    // The commonest warnings stay.
    #expect(status.warnings.contains { $0.count == 299 })
    let whole = mapping.dataset(record, now: 0)
    #expect(whole.warnings.count == 300)
    #expect((whole.problem ?? whole.lastOperation?.problem)?.details.count == 50)
  }

  /// A record's progress can only be read from its row.
  private func progress(warnings: [String: Int64]) async throws -> DatasetRecord.ProgressSummary? {
    let datasets = try await TestDatasets.shared()
    let draft = try await datasets.registry.create(
      TestDatasets.identity(), TestDatasets.spec(), TestDatasets.caller()
    ).dataset
    try await datasets.administrator.query(
      """
      INSERT INTO coremachine.progress (operation_id, step, job_type, phase, done, unit, message, warnings)
      VALUES ($1, 2, 'ingest_vector', 'load', 5, 'rows', repeat('m', 500), $2)
      """, [.int64(try #require(draft.operation?.id)), .json(try JSONText.encode(warnings))])
    return try await datasets.registry.get(draft.key).progress
  }

  @Test func everyWarningHasItsText() {
    for reason in WarningReason.allCases { #expect(WarningText.of(reason.rawValue) != reason.rawValue) }
    #expect(WarningText.of("NEW_ONE") == "NEW_ONE")
  }

  @Test(arguments: [EngineOperationState.failed, .cancelled]) func anUpdateThatEndedIsTheLastOperation(
    _ state: EngineOperationState
  )
    async throws
  {
    var record = try await record()
    #expect(mapping.dataset(record, now: 0).lastOperation == nil)
    record.operation?.state = state
    #expect(mapping.dataset(record, now: 0).lastOperation?.id == record.operation?.id)
    #expect(mapping.dataset(record, now: 0).status == .ready)
  }
}
