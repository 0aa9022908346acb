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
  /// Folder of the served files, for tasks that read them.
  private let filesRoot: String
  /// Bytes of pixels from which a raster becomes tiles.
  private let largeRaster: Int64

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
    "datasets.end_preview":
      "DELETE FROM serving.routes WHERE dataset_pk = $1 AND build = $2 AND preview_token_sha256 IS NOT NULL",
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
    }
  }

  private func next(after job: FinishedJob, _ operation: OperationView, _ chain: VectorChain) throws -> ChainStep {
    switch job.type {
    case JobType.probe:
      let probe = try result(ProbeResult.self, of: job)
      try require(probe, route: "vector")
      return .job(
        NextJob(
          type: JobType.ingestVector, parameters: try JSON.text(chain.ingest(after: probe)), inputBytes: probe.pin.size,
          plan: ChainPlan(json: try JSON.text(["steps": VectorChain.steps]), stepWeights: VectorChain.weights)))
    case JobType.ingestVector:
      let ingest = try result(IngestVectorResult.self, of: job)
      return .job(NextJob(type: JobType.stacCatalogVectors, parameters: try JSON.text(chain.catalog(after: ingest))))
    case JobType.stacCatalogVectors:
      let ingest = try earlier(IngestVectorResult.self, JobType.ingestVector, operation)
      let token = previewToken(operation.id).hexDigits
      return try verify(
        operation, chain.verify(after: ingest, previewToken: token), token,
        chain.publication(ingest, try result(StacCatalogResult.self, of: job)))
    case JobType.verify:
      let probe = try earlier(ProbeResult.self, JobType.probe, operation)
      let ingest = try earlier(IngestVectorResult.self, JobType.ingestVector, operation)
      let stac = try earlier(StacCatalogResult.self, JobType.stacCatalogVectors, operation)
      return try publish(operation, chain.publication(ingest, stac), chain.result(probe, ingest))
    default: throw unknown(job)
    }
  }

  private func next(after job: FinishedJob, _ operation: OperationView, _ chain: RasterChain) throws -> ChainStep {
    switch job.type {
    case JobType.probe:
      let probe = try result(ProbeResult.self, of: job)
      try require(probe, route: "raster")
      return .job(
        NextJob(
          type: JobType.validateRaster, parameters: try JSON.text(chain.validate(after: probe)),
          inputBytes: probe.pin.size,
          plan: ChainPlan(json: try JSON.text(["steps": RasterChain.steps]), stepWeights: RasterChain.weights)))
    case JobType.validateRaster:
      let probe = try earlier(ProbeResult.self, JobType.probe, operation)
      let valid = try result(ValidateRasterResult.self, of: job)
      return .job(
        NextJob(
          type: JobType.processRaster, parameters: try JSON.text(chain.process(after: probe, valid)),
          inputBytes: probe.pin.size))
    case JobType.processRaster:
      let valid = try earlier(ValidateRasterResult.self, JobType.validateRaster, operation)
      let file = try result(ProcessRasterResult.self, of: job)
      return .job(NextJob(type: JobType.stacCatalogRaster, parameters: try JSON.text(chain.catalog(valid, file))))
    case JobType.stacCatalogRaster:
      let file = try earlier(ProcessRasterResult.self, JobType.processRaster, operation)
      let token = previewToken(operation.id).hexDigits
      return try verify(
        operation, chain.verify(file, previewToken: token), token,
        chain.publication(file, try result(StacCatalogResult.self, of: job)))
    case JobType.verify:
      let probe = try earlier(ProbeResult.self, JobType.probe, operation)
      let valid = try earlier(ValidateRasterResult.self, JobType.validateRaster, operation)
      let file = try earlier(ProcessRasterResult.self, JobType.processRaster, operation)
      let stac = try earlier(StacCatalogResult.self, JobType.stacCatalogRaster, operation)
      return try publish(operation, chain.publication(file, stac), chain.result(probe, valid, file))
    default: throw unknown(job)
    }
  }

  /// Whether the probe has found more than goes into one file. A chain that was planned the one way goes on that way, also
  /// after a restart with another limit.
  private func isLarge(_ job: FinishedJob, _ operation: OperationView) throws -> Bool {
    let types = Set((operation.jobs + [job]).map(\.type))
    if types.contains(JobType.processLargeRaster) { return true }
    if types.contains(JobType.processRaster) { return false }
    let probe =
      job.type == JobType.probe
      ? try result(ProbeResult.self, of: job) : try earlier(ProbeResult.self, JobType.probe, operation)
    return (probe.pixels ?? 0) * (probe.bytesPerPixel ?? 0) > largeRaster
  }

  private func next(after job: FinishedJob, _ operation: OperationView, _ chain: LargeRasterChain) throws -> ChainStep {
    let valid = { try earlier(ValidateRasterResult.self, JobType.validateRaster, operation) }
    let scenes = {
      guard let written = operation.jobs.last(where: { $0.type == JobType.processLargeRaster }) else {
        throw ProblemReport(reason: "INTERNAL", message: "the large raster's tiles are missing")
      }
      return try chain.scenes(valid(), results(ProcessRasterResult.self, of: written))
    }
    switch job.type {
    case JobType.probe:
      let probe = try result(ProbeResult.self, of: job)
      try require(probe, route: "raster")
      return .job(
        NextJob(
          type: JobType.validateRaster, parameters: try JSON.text(chain.raster.validate(after: probe)),
          inputBytes: probe.pin.size,
          plan: ChainPlan(
            json: try JSON.text(["steps": LargeRasterChain.steps]), stepWeights: LargeRasterChain.weights)))
    case JobType.validateRaster:
      let probe = try earlier(ProbeResult.self, JobType.probe, operation)
      return .job(
        NextJob(
          type: JobType.processLargeRaster,
          parameters: try JSON.text(
            chain.raster.process(after: probe, try result(ValidateRasterResult.self, of: job))),
          inputBytes: probe.pin.size))
    case JobType.processLargeRaster:
      let files = try results(ProcessRasterResult.self, of: job)
      return .job(
        NextJob(
          type: JobType.createMosaic, parameters: try JSON.text(chain.tiles.mosaic(files, filesRoot: filesRoot)),
          inputBytes: files.reduce(0) { $0 + $1.bytes }))
    case JobType.createMosaic:
      return .job(
        NextJob(type: JobType.stacCatalogCollection, parameters: try JSON.text(chain.tiles.catalog(scenes()))))
    case JobType.stacCatalogCollection:
      let mosaic = try earlier(CreateMosaicResult.self, JobType.createMosaic, operation)
      let token = previewToken(operation.id).hexDigits
      return try verify(
        operation, chain.tiles.verify(scenes(), previewToken: token), token,
        chain.tiles.publication(scenes(), mosaic, try result(StacCollectionResult.self, of: job)))
    case JobType.verify:
      let probe = try earlier(ProbeResult.self, JobType.probe, operation)
      let mosaic = try earlier(CreateMosaicResult.self, JobType.createMosaic, operation)
      let stac = try earlier(StacCollectionResult.self, JobType.stacCatalogCollection, operation)
      return try publish(
        operation, chain.tiles.publication(scenes(), mosaic, stac), chain.tiles.result(probe, scenes(), mosaic))
    default: throw unknown(job)
    }
  }

  private func next(after job: FinishedJob, _ operation: OperationView, _ chain: CollectionChain) throws -> ChainStep {
    switch job.type {
    case JobType.probe:
      let probe = try result(ProbeResult.self, of: job)
      try require(probe, route: "raster_collection")
      return .job(
        NextJob(
          type: JobType.validateRasters, parameters: try JSON.text(chain.validate(after: probe)),
          inputBytes: probe.pin.size,
          plan: ChainPlan(json: try JSON.text(["steps": CollectionChain.steps]), stepWeights: CollectionChain.weights)))
    case JobType.validateRasters:
      let probe = try earlier(ProbeResult.self, JobType.probe, operation)
      let checked = try results(ValidateFileResult.self, of: job)
      return .job(
        NextJob(
          type: JobType.processRasters, parameters: try JSON.text(chain.process(after: probe, checked)),
          inputBytes: probe.pin.size))
    case JobType.processRasters:
      let files = try results(ProcessRasterResult.self, of: job)
      return .job(
        NextJob(
          type: JobType.createMosaic, parameters: try JSON.text(chain.mosaic(files, filesRoot: filesRoot)),
          inputBytes: files.reduce(0) { $0 + $1.bytes }))
    case JobType.createMosaic:
      let scenes = try scenes(chain, operation)
      return .job(NextJob(type: JobType.stacCatalogCollection, parameters: try JSON.text(chain.catalog(scenes))))
    case JobType.stacCatalogCollection:
      let scenes = try scenes(chain, operation)
      let mosaic = try earlier(CreateMosaicResult.self, JobType.createMosaic, operation)
      let token = previewToken(operation.id).hexDigits
      return try verify(
        operation, chain.verify(scenes, previewToken: token), token,
        chain.publication(scenes, mosaic, try result(StacCollectionResult.self, of: job)))
    case JobType.verify:
      let probe = try earlier(ProbeResult.self, JobType.probe, operation)
      let scenes = try scenes(chain, operation)
      let mosaic = try earlier(CreateMosaicResult.self, JobType.createMosaic, operation)
      let stac = try earlier(StacCollectionResult.self, JobType.stacCatalogCollection, operation)
      return try publish(operation, chain.publication(scenes, mosaic, stac), chain.result(probe, scenes, mosaic))
    default: throw unknown(job)
    }
  }

  private func scenes(_ chain: CollectionChain, _ operation: OperationView) throws -> [CollectionChain.Scene] {
    guard let checked = operation.jobs.last(where: { $0.type == JobType.validateRasters }),
      let written = operation.jobs.last(where: { $0.type == JobType.processRasters })
    else { throw ProblemReport(reason: "INTERNAL", message: "the collection's steps are missing") }
    return try chain.scenes(
      results(ValidateFileResult.self, of: checked), results(ProcessRasterResult.self, of: written))
  }

  private func results<T: Decodable>(_ type: T.Type, of job: FinishedJob) throws -> [T] {
    try job.results.map { try JSON.decode(type, from: $0) }
  }

  // MARK: What every chain ends with

  /// `verify`, with a preview route that answers to its token only.
  private func verify(
    _ operation: OperationView, _ parameters: VerifyParameters, _ token: String, _ publication: Publication
  ) throws -> ChainStep {
    .job(
      NextJob(type: JobType.verify, parameters: try JSON.text(parameters)),
      effects: [
        Effect(
          "datasets.preview",
          [
            .int64(operation.subject), .int64(operation.id), .bytea(SHA256Digest.of(Array(token.utf8))),
            .text(try publication.json()),
          ])
      ])
  }

  private func publish(
    _ operation: OperationView, _ publication: Publication, _ result: DatasetResult
  ) throws -> ChainStep {
    .publish(effects: [
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

  private func require(_ probe: ProbeResult, route: String) throws {
    guard probe.route == route else {
      throw ProblemReport(
        reason: "DATASET_TYPE_UNSUPPORTED", message: "the source is a \(probe.route), not a \(route)",
        details: ["route": probe.route])
    }
  }

  private func unknown(_ job: FinishedJob) -> ProblemReport {
    ProblemReport(reason: "INTERNAL", message: "a dataset's chain has no job \(job.type)")
  }

  public func effects(of transition: OperationTransition) -> [Effect] {
    switch transition.to {
    case .failed, .cancelled:
      [Effect("datasets.end_preview", [.int64(transition.operation.subject), .int64(transition.operation.id)])]
    default: []
    }
  }

  private func subject(of operation: OperationView) throws -> ChainSubject {
    guard let first = operation.jobs.first(where: { $0.type == JobType.probe }) else {
      throw ProblemReport(reason: "INTERNAL", message: "the operation's first job is missing")
    }
    return try FirstParameters(json: first.parameters).chain
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
