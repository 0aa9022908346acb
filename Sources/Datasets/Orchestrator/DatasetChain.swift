public import CoreMachine
internal import JobTypes
internal import PostgreSQL
internal import TaskProtocol

/// Decides what follows a job of a dataset's operation, and which rows change with it. Pure: it reads no clock and no
/// database, so that a batch that fails can be computed again.
public struct DatasetChain: ChainDelegate {
  private let publicURL: String
  /// Drawn anew at each start; preview tokens come from it.
  private let secret: [UInt8]
  /// Seconds that a replaced build stays.
  private let replacedWindow: Int64

  public init(publicURL: String, secret: [UInt8], replacedWindow: Int64) {
    self.publicURL = publicURL
    self.secret = secret
    self.replacedWindow = replacedWindow
  }

  /// The statements effects name, as CoreMachine registers them.
  public static let statements: [String: String] = [
    "datasets.preview": "SELECT datasets.put_route($1, $2, $3, $4::json)",
    "datasets.end_preview":
      "DELETE FROM serving.routes WHERE dataset_pk = $1 AND build = $2 AND preview_token_sha256 IS NOT NULL",
    "datasets.publish": "SELECT datasets.publish($1, $2, $3::json, $4::json, $5)",
    "datasets.ledger_live": "SELECT coremachine.ledger_live($1)",
    "datasets.replace": "SELECT coremachine.ledger_doom($1, $2, make_interval(secs => $3))",
  ]

  public func next(after job: FinishedJob, of operation: OperationView) throws -> ChainStep {
    let chain = try chain(of: operation)
    switch job.type {
    case JobType.probe:
      let probe = try result(ProbeResult.self, of: job)
      guard probe.route == "vector" else {
        throw ProblemReport(
          reason: "DATASET_TYPE_UNSUPPORTED", message: "the source is a \(probe.route), not vector data",
          details: ["route": probe.route])
      }
      return .job(
        NextJob(
          type: JobType.ingestVector, parameters: try JSON.text(chain.ingest(after: probe)), inputBytes: probe.pin.size,
          plan: ChainPlan(json: try JSON.text(["steps": VectorChain.steps]), stepWeights: VectorChain.weights)))
    case JobType.ingestVector:
      let ingest = try result(IngestVectorResult.self, of: job)
      return .job(NextJob(type: JobType.stacCatalogVectors, parameters: try JSON.text(chain.catalog(after: ingest))))
    case JobType.stacCatalogVectors:
      let ingest = try earlier(IngestVectorResult.self, JobType.ingestVector, operation)
      let stac = try result(StacCatalogResult.self, of: job)
      let token = previewToken(operation.id).hexDigits
      return .job(
        NextJob(
          type: JobType.verify, parameters: try JSON.text(chain.verify(after: ingest, previewToken: token))),
        effects: [
          Effect(
            "datasets.preview",
            [
              .int64(operation.subject), .int64(operation.id), .bytea(SHA256Digest.of(Array(token.utf8))),
              .text(try chain.publication(ingest, stac).json()),
            ])
        ])
    case JobType.verify:
      let probe = try earlier(ProbeResult.self, JobType.probe, operation)
      let ingest = try earlier(IngestVectorResult.self, JobType.ingestVector, operation)
      let stac = try earlier(StacCatalogResult.self, JobType.stacCatalogVectors, operation)
      return .publish(effects: [
        Effect(
          "datasets.publish",
          [
            .int64(operation.subject), .int64(operation.id), .text(try chain.publication(ingest, stac).json()),
            .text(try JSON.text(chain.result(probe, ingest))), .text("terrane:coremachine"),
          ]),
        Effect("datasets.ledger_live", [.int64(operation.id)]),
        Effect(
          "datasets.replace", [.int64(operation.subject), .int64(operation.id), .float8(Double(replacedWindow))]),
      ])
    default:
      throw ProblemReport(reason: "INTERNAL", message: "a dataset's chain has no job \(job.type)")
    }
  }

  public func effects(of transition: OperationTransition) -> [Effect] {
    switch transition.to {
    case .failed, .cancelled:
      [Effect("datasets.end_preview", [.int64(transition.operation.subject), .int64(transition.operation.id)])]
    default: []
    }
  }

  private func chain(of operation: OperationView) throws -> VectorChain {
    guard let first = operation.jobs.first(where: { $0.type == JobType.probe }) else {
      throw ProblemReport(reason: "INTERNAL", message: "the operation's first job is missing")
    }
    return VectorChain(
      subject: try FirstParameters(json: first.parameters).chain, datasetPK: operation.subject, build: operation.id,
      publicURL: publicURL)
  }

  private func earlier<T: Decodable>(_ type: T.Type, _ job: String, _ operation: OperationView) throws -> T {
    guard let finished = operation.jobs.last(where: { $0.type == job }) else {
      throw ProblemReport(reason: "INTERNAL", message: "the result of \(job) is missing")
    }
    return try result(type, of: finished)
  }

  private func result<T: Decodable>(_ type: T.Type, of job: FinishedJob) throws -> T {
    guard let text = job.results.first else {
      throw ProblemReport(reason: "INTERNAL", message: "\(job.type) left no result")
    }
    return try JSON.decode(type, from: text)
  }

  /// 32 bytes, sent as hex; the route keeps only the SHA-256 of what is sent.
  private func previewToken(_ operation: Int64) -> [UInt8] {
    SHA256Digest.of(secret + Array("preview/\(operation)".utf8))
  }
}
