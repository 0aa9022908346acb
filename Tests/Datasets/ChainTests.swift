import CoreMachine
import DatasetsTesting
import Foundation
import JobTypes
import PostgreSQL
import TaskProtocol
import Testing
@testable import Datasets

@Suite struct ChainTests {
  let identity: DatasetIdentity
  let subject: ChainSubject
  let chain: VectorChain
  let delegate = DatasetChain(publicURL: "http://data.test", secret: [1, 2, 3], replacedWindow: 600)

  init() throws {
    identity = try DatasetIdentity(namespace: "city", datasetID: "d", resourceID: "r", versionID: "v")
    subject = ChainSubject(
      identity: identity, spec: TestDatasets.spec(title: "Trees"), requestedAt: "2026-01-02T03:04:05Z")
    chain = VectorChain(subject: subject, datasetPK: 12, build: 34, publicURL: "http://data.test")
  }

  /// The operation's jobs up to a type, each as the delegate planned it.
  private func planned(to last: String, layers: Int = 2) throws -> [FinishedJob] {
    let probe = MadeUp.probe(layers: layers)
    let ingestParameters = chain.ingest(after: probe)
    let ingest = MadeUp.ingest(ingestParameters)
    let all = [
      FinishedJob(
        step: 1, type: JobType.probe, parameters: try FirstParameters(subject).json(),
        results: [try JSONText.encode(probe)]),
      FinishedJob(
        step: 2, type: JobType.ingestVector, parameters: try JSONText.encode(ingestParameters),
        results: [try JSONText.encode(ingest)]),
      FinishedJob(
        step: 3, type: JobType.stacCatalogVectors, parameters: "{}",
        results: [try JSONText.encode(MadeUp.stac(identity))]),
      FinishedJob(step: 4, type: JobType.verify, parameters: "{}", results: [#"{"checks":[]}"#]),
    ]
    let end = try #require(all.firstIndex { $0.type == last })
    return Array(all[...end])
  }

  private func next(after last: String, layers: Int = 2) throws -> ChainStep {
    let jobs = try planned(to: last, layers: layers)
    return try delegate.next(
      after: try #require(jobs.last),
      of: OperationView(id: 34, subject: 12, kind: "create", state: .running, jobs: jobs))
  }

  @Test(arguments: VectorChain.steps) func planningIsPure(_ type: String) throws {
    let once = try next(after: type)
    for _ in 0..<3 { #expect("\(try next(after: type))" == "\(once)") }
    #expect(chain.probe() == chain.probe())
    #expect(chain.ingest(after: MadeUp.probe(layers: 3)) == chain.ingest(after: MadeUp.probe(layers: 3)))
  }

  @Test func theStepsInOrder() throws {
    var types = [JobType.probe]
    while case .job(let job, _) = try next(after: try #require(types.last)) { types.append(job.type) }
    #expect(types == ["probe", "ingest_vector", "stac_catalog_vectors", "verify"])
    #expect(types == VectorChain.steps)
    #expect(VectorChain.weights.count == VectorChain.steps.count)
    guard case .publish(let effects) = try next(after: JobType.verify) else {
      Issue.record("verify is not the last step")
      return
    }
    #expect(effects.map(\.statement) == ["datasets.publish", "datasets.ledger_live", "datasets.replace"])
  }

  @Test func onlyTheFirstStepPlansTheChain() throws {
    guard case .job(let ingest, let effects) = try next(after: JobType.probe),
      case .job(let stac, _) = try next(after: JobType.ingestVector)
    else {
      Issue.record("no next job")
      return
    }
    #expect(ingest.plan?.stepWeights == VectorChain.weights)
    #expect(ingest.inputBytes == 10)
    #expect(effects.isEmpty)
    #expect(stac.plan == nil)
  }

  @Test func everyEffectIsARegisteredStatement() throws {
    var effects: [Effect] = []
    for type in VectorChain.steps {
      switch try next(after: type) {
      case .job(_, let more), .publish(let more), .fail(_, let more): effects += more
      }
    }
    let operation = OperationView(id: 34, subject: 12, kind: "create", state: .running)
    for to in OperationState.allCases {
      effects += delegate.effects(of: OperationTransition(operation: operation, from: .running, to: to))
    }
    // Of mosaics only; MosaicTests looks at them.
    let others: Set = ["datasets.hold_members", "datasets.let_go"]
    #expect(Set(effects.map(\.statement)).union(others) == Set(DatasetChain.statements.keys))
  }

  @Test func tablesAreNamedByNumbers() throws {
    let parameters = chain.ingest(after: MadeUp.probe(layers: 2))
    #expect(parameters.layers.map(\.table) == ["d12_b34_t0", "d12_b34_t1"])
    #expect(parameters.layers.map(\.title) == ["layer 0", "layer 1"])
    for table in parameters.layers.map(\.table) {
      #expect(ServedTable.isName(table))
      #expect(ServedTable.name(identifier: ServedTable.identifier(table)) == table)
    }
    let largest = VectorChain(subject: subject, datasetPK: .max, build: .max, publicURL: "").table(9_999)
    #expect(largest.utf8.count <= 63)
    #expect(ServedTable.isName(largest))
    for wrong in ["d1_b2_t3; DROP TABLE x", "d1_b2", "d1_b2_t3 ", "D1_b2_t3", "d1_b2_t३", "", "pg_class"] {
      #expect(!ServedTable.isName(wrong))
    }
    for wrong in ["public.d1_b2_t3", "d1_b2_t3", "data.pg_class", "data.d1_b2_t3\""] {
      #expect(ServedTable.name(identifier: wrong) == nil)
    }
  }

  @Test func theRequestGoesIntoTheSteps() throws {
    var spec = TestDatasets.spec(url: "file:///a.csv")
    spec.source.layer = "l"
    spec.source.crs = "EPSG:4326"
    spec.source.longitudeColumn = "x"
    spec.options = DatasetSpec.VectorOptions(nullGeometry: .keep, maxRejects: 7)
    spec.metadata.datetime = "2020-01-01T00:00:00Z"
    let chain = VectorChain(
      subject: ChainSubject(identity: identity, spec: spec, requestedAt: "2026-01-02T03:04:05Z"), datasetPK: 1,
      build: 2,
      publicURL: "http://data.test")
    #expect(chain.probe().layers == ["l"])
    #expect(chain.probe().crs == "EPSG:4326")
    #expect(chain.probe().encoding == nil)
    #expect(chain.probe().csv == CSVOptions(longitudeColumn: "x"))
    let ingest = chain.ingest(after: MadeUp.probe())
    #expect(ingest.nullGeometries == .keep)
    #expect(ingest.maxRejects == 7)
    #expect(ingest.pin == MadeUp.probe().pin)
    let stac = chain.catalog(after: MadeUp.ingest(ingest))
    #expect(stac.datetime == "2020-01-01T00:00:00Z")
    #expect(stac.datetimeSource == "request")
    #expect(stac.collectionID == "city:d:r")
    #expect(stac.itemID == "v")
    #expect(stac.endpoint == "http://data.test/api/data/@city/d/r/v")
    let unasked = self.chain.catalog(after: MadeUp.ingest(ingest))
    #expect(unasked.datetime == "2026-01-02T03:04:05Z")
    #expect(unasked.datetimeSource == "publish_time")
    let verify = chain.verify(after: MadeUp.ingest(ingest), previewToken: "token")
    #expect(verify.endpointPath == "/api/data/@city/d/r/v")
    #expect(verify.previewToken == "token")
    #expect(verify.collections.map(\.count) == [3])
  }

  @Test func firstParametersAreTheProbesToo() throws {
    let json = try FirstParameters(subject).json()
    #expect(try JSONText.decode(ProbeParameters.self, from: json) == chain.probe())
    #expect(try FirstParameters(json: json).chain == subject)
  }

  @Test func thePublicationAsSQLReadsIt() async throws {
    let ingest = MadeUp.ingest(chain.ingest(after: MadeUp.probe(layers: 2)))
    let json = try chain.publication(ingest, MadeUp.stac(identity)).json()
    let object = try #require(JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    #expect(object["kind"] as? String == "vector")
    #expect(object["title"] as? String == "Trees")
    #expect(object["license"] as? String == "other")
    #expect(object["bbox"] as? [Double] == [0, 50, 2, 51])
    let collections = try #require(object["collections"] as? [[String: Any]])
    #expect(collections.map { $0["id"] as? String } == ["layer_0", "layer_1"])
    #expect(collections.map { $0["position"] as? Int } == [0, 1])
    #expect(collections.map { $0["table"] as? String } == ["d12_b34_t0", "d12_b34_t1"])
    #expect(collections.allSatisfy { $0["schema"] as? String == "data" && $0["feature_count"] as? Int == 3 })
    let stac = try #require(object["stac"] as? [String: [String: Any]])
    #expect(stac["collection"]?["id"] as? String == "city:d:r")
    #expect(stac["item"]?["id"] as? String == "v")

    let result = chain.result(MadeUp.probe(layers: 2), ingest)
    #expect(result.featureCount == 6)
    #expect(result.bbox == [0, 50, 2, 51])
    #expect(result.treatment.droppedNullGeometries == 2)
    #expect(result.treatment.repairedGeometries == 4)
    #expect(result.treatment.sourceCRS == "EPSG:25832")
    #expect(result.build == 34)
    #expect(result.path == identity.path)
  }

  @Test func boxes() {
    #expect(VectorChain.union([]) == nil)
    #expect(VectorChain.union([nil, nil]) == nil)
    #expect(VectorChain.union([[1, 2, 3, 4], nil, [0, 3, 2, 9]]) == [0, 2, 3, 9])
  }

  @Test func aRasterIsNotTakenForVectors() throws {
    var probe = MadeUp.probe()
    probe.route = "raster"
    let job = FinishedJob(
      step: 1, type: JobType.probe, parameters: try FirstParameters(subject).json(),
      results: [try JSONText.encode(probe)])
    let problem = #expect(throws: ProblemReport.self) {
      try delegate.next(after: job, of: OperationView(id: 1, subject: 1, kind: "create", state: .running, jobs: [job]))
    }
    #expect(problem?.reason == "DATASET_TYPE_UNSUPPORTED")
  }

  @Test func aPreviewAnswersToOneTokenOnly() throws {
    func tokenHash(_ operation: Int64, secret: [UInt8]) throws -> PGValue {
      let jobs = try planned(to: JobType.stacCatalogVectors)
      let chain = DatasetChain(publicURL: "http://data.test", secret: secret, replacedWindow: 600)
      let step = try chain.next(
        after: try #require(jobs.last),
        of: OperationView(id: operation, subject: 12, kind: "create", state: .running, jobs: jobs))
      guard case .job(let verify, let effects) = step else { return .null }
      let token = try JSONText.decode(VerifyParameters.self, from: verify.parameters).previewToken
      #expect(effects.first?.parameters[2] == .bytea(SHA256Digest.of(Array(token.utf8))))
      return try #require(effects.first?.parameters[2])
    }
    let one = try tokenHash(1, secret: [1])
    #expect(try tokenHash(1, secret: [1]) == one)
    #expect(try tokenHash(2, secret: [1]) != one)
    #expect(try tokenHash(1, secret: [2]) != one)
  }
}
