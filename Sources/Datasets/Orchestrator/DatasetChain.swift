public import CoreMachine
internal import JobTypes
internal import PostgreSQL
internal import TaskProtocol

/// Decides what follows a job of a dataset's operation, and which rows change with it. Pure: it reads no clock and no
/// database, so that a batch that fails can be computed again.
public struct DatasetChain: ChainDelegate {
  let publicURL: String
  /// Drawn anew at each start; preview tokens come from it.
  private let secret: [UInt8]
  /// Seconds that a replaced build stays.
  let replacedWindow: Int64
  /// Folder of the served files, for tasks that read them.
  let filesRoot: String
  /// Bytes of pixels from which a raster becomes tiles.
  let largeRaster: Int64

  /// Two gigabytes: about what one process writes in a few minutes.
  public static let largeRaster: Int64 = 2_000_000_000

  public init(
    publicURL: String, secret: [UInt8], replacedWindow: Int64, filesRoot: String = "",
    largeRaster: Int64 = DatasetChain.largeRaster
  ) {
    self.filesRoot = filesRoot
    self.largeRaster = largeRaster
    self.publicURL = publicURL
    self.secret = secret
    self.replacedWindow = replacedWindow
  }

  /// The statements effects name, as CoreMachine registers them.
  public static let statements: [String: String] = [
    "datasets.preview": "SELECT datasets.put_route($1, $2, $3, $4::json)",
    "datasets.end_preview": "SELECT datasets.end_preview($1, $2)",
    "datasets.hold_members": "SELECT datasets.hold_members($1, $2, $3::bytea[])",
    "datasets.let_go": "SELECT coremachine.let_go($1, $2, make_interval(secs => $3))",
    "datasets.publish": "SELECT datasets.publish($1, $2, $3::json, $4::json, $5)",
    "datasets.ledger_live": "SELECT coremachine.ledger_live($1)",
    "datasets.replace": "SELECT coremachine.ledger_doom($1, $2, make_interval(secs => $3))",
  ]

  public func next(after job: FinishedJob, of operation: OperationView) throws -> ChainStep {
    let subject = try subject(of: operation)
    switch subject.spec.type {
    case .vector:
      return try next(
        after: job, operation,
        VectorChain(subject: subject, datasetPK: operation.subject, build: operation.id, publicURL: publicURL))
    case .raster where try isLarge(job, operation):
      return try next(
        after: job, operation, LargeRasterChain(subject: subject, build: operation.id, publicURL: publicURL))
    case .raster:
      return try next(
        after: job, operation, RasterChain(subject: subject, build: operation.id, publicURL: publicURL))
    case .rasterCollection:
      return try next(
        after: job, operation, CollectionChain(subject: subject, build: operation.id, publicURL: publicURL))
    case .mosaic:
      return try next(after: job, operation, MosaicChain(subject: subject, build: operation.id, publicURL: publicURL))
    }
  }

  // MARK: What every chain ends with

  /// `verify`, with a preview route that answers to its token only.
  func verify(
    _ operation: OperationView, _ parameters: VerifyParameters, _ token: String, _ publication: Publication
  ) throws -> ChainStep {
    .job(
      NextJob(type: JobType.verify, parameters: try JSON.text(parameters)),
      effects: [try preview(operation, token, publication)])
  }

  /// What is staged is served to whoever has the token.
  func preview(_ operation: OperationView, _ token: String, _ publication: Publication) throws -> Effect {
    Effect(
      "datasets.preview",
      [
        .int64(operation.subject), .int64(operation.id), .bytea(SHA256Digest.of(Array(token.utf8))),
        .text(try publication.json()),
      ])
  }

  func publish(
    _ operation: OperationView, _ publication: Publication, _ result: DatasetResult, more: [Effect] = []
  ) throws -> ChainStep {
    .publish(
      effects: more + [
        Effect(
          "datasets.publish",
          [
            .int64(operation.subject), .int64(operation.id), .text(try publication.json()),
            .text(try JSON.text(result)), .text("terrane:coremachine"),
          ]),
        Effect("datasets.ledger_live", [.int64(operation.id)]),
        Effect(
          "datasets.replace", [.int64(operation.subject), .int64(operation.id), .float8(Double(replacedWindow))]),
      ])
  }

  func require(_ probe: ProbeResult, route: String) throws {
    guard probe.route == route else {
      throw ProblemReport(
        reason: "DATASET_TYPE_UNSUPPORTED", message: "the source is a \(probe.route), not a \(route)",
        details: ["route": probe.route])
    }
  }

  func unknown(_ job: FinishedJob) -> ProblemReport {
    ProblemReport(reason: "INTERNAL", message: "a dataset's chain has no job \(job.type)")
  }

  public func effects(of transition: OperationTransition) -> [Effect] {
    switch transition.to {
    case .failed, .cancelled:
      [Effect("datasets.end_preview", [.int64(transition.operation.subject), .int64(transition.operation.id)])]
    default: []
    }
  }

  func subject(of operation: OperationView) throws -> ChainSubject {
    guard let first = operation.jobs.first(where: { $0.type == JobType.probe }) else {
      throw ProblemReport(reason: "INTERNAL", message: "the operation's first job is missing")
    }
    return try FirstParameters(json: first.parameters).chain
  }

  func earlier<T: Decodable>(_ type: T.Type, _ job: String, _ operation: OperationView) throws -> T {
    guard let finished = operation.jobs.last(where: { $0.type == job }) else {
      throw ProblemReport(reason: "INTERNAL", message: "the result of \(job) is missing")
    }
    return try result(type, of: finished)
  }

  func result<T: Decodable>(_ type: T.Type, of job: FinishedJob) throws -> T {
    guard let text = job.results.first else {
      throw ProblemReport(reason: "INTERNAL", message: "\(job.type) left no result")
    }
    return try JSON.decode(type, from: text)
  }

  /// 32 bytes, sent as hex; the route keeps only the SHA-256 of what is sent.
  func previewToken(_ operation: Int64) -> [UInt8] {
    SHA256Digest.of(secret + Array("preview/\(operation)".utf8))
  }
}
