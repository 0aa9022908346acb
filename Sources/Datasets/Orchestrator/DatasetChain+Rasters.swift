internal import CoreMachine
internal import JobTypes
internal import PostgreSQL
internal import TaskProtocol

/// What follows each job of rasters.
extension DatasetChain {
  func next(after job: FinishedJob, _ operation: OperationView, _ chain: RasterChain) throws -> ChainStep {
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
  func isLarge(_ job: FinishedJob, _ operation: OperationView) throws -> Bool {
    let types = Set((operation.jobs + [job]).map(\.type))
    if types.contains(JobType.processLargeRaster) { return true }
    if types.contains(JobType.processRaster) { return false }
    let probe =
      job.type == JobType.probe
      ? try result(ProbeResult.self, of: job) : try earlier(ProbeResult.self, JobType.probe, operation)
    return (probe.pixels ?? 0) * (probe.bytesPerPixel ?? 0) > largeRaster
  }

  func next(after job: FinishedJob, _ operation: OperationView, _ chain: LargeRasterChain) throws -> ChainStep {
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

  func next(after job: FinishedJob, _ operation: OperationView, _ chain: CollectionChain) throws -> ChainStep {
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

  func next(after job: FinishedJob, _ operation: OperationView, _ chain: MosaicChain) throws -> ChainStep {
    switch job.type {
    case JobType.probe:
      try require(try result(ProbeResult.self, of: job), route: "mosaic")
      let keys = chain.members.map { DatasetKey(of: $0).bytes }
      return .job(
        NextJob(
          type: JobType.mosaicDatasets, parameters: try JSON.text(chain.combine(filesRoot: filesRoot)),
          plan: ChainPlan(json: try JSON.text(["steps": MosaicChain.steps]), stepWeights: MosaicChain.weights)),
        effects: [
          Effect(
            "datasets.hold_members", [.int64(operation.subject), .int64(operation.id), .byteaArray(keys)])
        ])
    case JobType.mosaicDatasets:
      let scenes = chain.scenes(try result(MosaicDatasetsResult.self, of: job))
      return .job(
        NextJob(type: JobType.stacCatalogCollection, parameters: try JSON.text(chain.collection.catalog(scenes))))
    case JobType.stacCatalogCollection:
      let found = try earlier(MosaicDatasetsResult.self, JobType.mosaicDatasets, operation)
      let scenes = chain.scenes(found)
      let token = previewToken(operation.id).hexDigits
      return try verify(
        operation, chain.collection.verify(scenes, previewToken: token), token,
        chain.collection.publication(scenes, found.mosaic, try result(StacCollectionResult.self, of: job)))
    case JobType.verify:
      let probe = try earlier(ProbeResult.self, JobType.probe, operation)
      let found = try earlier(MosaicDatasetsResult.self, JobType.mosaicDatasets, operation)
      let scenes = chain.scenes(found)
      let stac = try earlier(StacCollectionResult.self, JobType.stacCatalogCollection, operation)
      return try publish(
        operation, chain.collection.publication(scenes, found.mosaic, stac),
        chain.collection.result(probe, scenes, found.mosaic),
        // The build before goes on being read for a moment.
        more: [
          Effect(
            "datasets.let_go", [.int64(operation.subject), .int64(operation.id), .float8(Double(replacedWindow))])
        ])
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
}
