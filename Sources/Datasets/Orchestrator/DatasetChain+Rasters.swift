internal import CoreMachine
internal import JobTypes
internal import PostgreSQL
internal import TaskProtocol

/// What follows each job of rasters.
extension DatasetChain {
  func next(after job: FinishedJob, _ operation: OperationView, _ chain: RasterChain) throws -> ChainStep {
    let file = { try earlier(ProcessRasterResult.self, JobType.processRaster, operation) }
    let valid = { try earlier(ValidateRasterResult.self, JobType.validateRaster, operation) }
    let tiles = try drawn(operation)
    switch job.type {
    case JobType.probe:
      return try validate(job, chain, chain.subject, RasterChain.steps, RasterChain.weights)
    case JobType.validateRaster:
      let probe = try earlier(ProbeResult.self, JobType.probe, operation)
      return .job(
        NextJob(
          type: JobType.processRaster, parameters: try JSON.text(chain.process(after: probe, valid())),
          inputBytes: probe.pin.size))
    case JobType.processRaster where chain.subject.wantsTiles:
      return try drawTiles(operation, chain.subject, chain.publication(file(), .none))
    case JobType.processRaster, JobType.generateTileCache:
      var catalog = try chain.catalog(valid(), file())
      catalog.tiles = tiles
      return .job(NextJob(type: JobType.stacCatalogRaster, parameters: try JSON.text(catalog)))
    case JobType.stacCatalogRaster:
      let token = previewToken(operation.id).hexDigits
      let stac = try result(StacCatalogResult.self, of: job)
      return try verify(
        operation, chain.verify(file(), previewToken: token), token, chain.publication(file(), stac).with(tiles))
    case JobType.verify:
      let probe = try earlier(ProbeResult.self, JobType.probe, operation)
      let stac = try earlier(StacCatalogResult.self, JobType.stacCatalogRaster, operation)
      return try publish(
        operation, chain.publication(file(), stac).with(tiles), chain.result(probe, valid(), file()).with(tiles))
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
    return (probe.writtenPixels ?? probe.pixels ?? 0) * (probe.bytesPerPixel ?? 0) > largeRaster
  }

  private func validate(
    _ job: FinishedJob, _ chain: RasterChain, _ subject: ChainSubject, _ steps: [String], _ weights: [Double]
  ) throws -> ChainStep {
    let probe = try result(ProbeResult.self, of: job)
    try require(probe, route: "raster")
    return .job(
      NextJob(
        type: JobType.validateRaster, parameters: try JSON.text(chain.validate(after: probe)),
        inputBytes: probe.pin.size, plan: try plan(steps, weights, subject)))
  }

  func next(after job: FinishedJob, _ operation: OperationView, _ chain: LargeRasterChain) throws -> ChainStep {
    let valid = { try earlier(ValidateRasterResult.self, JobType.validateRaster, operation) }
    switch job.type {
    case JobType.probe:
      return try validate(job, chain.raster, chain.raster.subject, LargeRasterChain.steps, LargeRasterChain.weights)
    case JobType.validateRaster:
      let probe = try earlier(ProbeResult.self, JobType.probe, operation)
      let found = try valid()
      let parameters = try JSON.text(chain.raster.process(after: probe, found))
      let tiles = probe.tiles ?? 1
      try CollectionChain.requireRoom(
        parameters.utf8.count * tiles, scenes: tiles, bands: found.raster.bands.count)
      return .job(
        NextJob(type: JobType.processLargeRaster, parameters: parameters, inputBytes: probe.pin.size))
    case JobType.processLargeRaster:
      return try layTogether(results(ProcessRasterResult.self, of: job), chain.tiles)
    default:
      let files = try results(ProcessRasterResult.self, JobType.processLargeRaster, operation)
      return try next(
        after: job, operation, chain.tiles, scenes: chain.scenes(valid(), files),
        mosaic: earlier(CreateMosaicResult.self, JobType.createMosaic, operation))
    }
  }

  func next(after job: FinishedJob, _ operation: OperationView, _ chain: CollectionChain) throws -> ChainStep {
    let checked = { try results(ValidateFileResult.self, JobType.validateRasters, operation) }
    switch job.type {
    case JobType.probe:
      let probe = try result(ProbeResult.self, of: job)
      try require(probe, route: "raster_collection")
      return .job(
        NextJob(
          type: JobType.validateRasters, parameters: try JSON.text(chain.validate(after: probe)),
          inputBytes: probe.pin.size,
          plan: try plan(CollectionChain.steps, CollectionChain.weights, chain.subject)))
    case JobType.validateRasters:
      let probe = try earlier(ProbeResult.self, JobType.probe, operation)
      let files = try chain.process(after: probe, checked())
      let parameters = try JSON.text(files)
      try CollectionChain.requireRoom(
        parameters.utf8.count, scenes: files.files.count, bands: files.files[0].raster.bands.count)
      return .job(NextJob(type: JobType.processRasters, parameters: parameters, inputBytes: probe.pin.size))
    case JobType.processRasters:
      return try layTogether(results(ProcessRasterResult.self, of: job), chain, checked: checked())
    default:
      let files = try results(ProcessRasterResult.self, JobType.processRasters, operation)
      return try next(
        after: job, operation, chain, scenes: chain.scenes(checked(), files),
        mosaic: earlier(CreateMosaicResult.self, JobType.createMosaic, operation))
    }
  }

  func next(after job: FinishedJob, _ operation: OperationView, _ chain: MosaicChain) throws -> ChainStep {
    guard job.type == JobType.probe else {
      let found = try earlier(MosaicDatasetsResult.self, JobType.mosaicDatasets, operation)
      return try next(
        after: job, operation, chain.collection, scenes: chain.scenes(found), mosaic: found.mosaic,
        // The build before goes on being read for a moment.
        publishing: [
          Effect(
            "datasets.let_go", [.int64(operation.subject), .int64(operation.id), .float8(Double(replacedWindow))])
        ])
    }
    try require(try result(ProbeResult.self, of: job), route: "mosaic")
    let keys = chain.members.map { DatasetKey(of: $0).bytes }
    return .job(
      NextJob(
        type: JobType.mosaicDatasets, parameters: try JSON.text(chain.combine(filesRoot: filesRoot)),
        plan: try plan(MosaicChain.steps, MosaicChain.weights, chain.collection.subject)),
      effects: [
        Effect("datasets.hold_members", [.int64(operation.subject), .int64(operation.id), .byteaArray(keys)])
      ])
  }

  // MARK: What mosaics have in common

  private func layTogether(
    _ files: [ProcessRasterResult], _ chain: CollectionChain, checked: [ValidateFileResult] = []
  ) throws -> ChainStep {
    .job(
      NextJob(
        type: JobType.createMosaic,
        parameters: try JSON.text(chain.mosaic(files, filesRoot: filesRoot, checked: checked)),
        inputBytes: files.reduce(0) { $0 + $1.bytes }))
  }

  /// From scenes that are laid together to the end.
  private func next(
    after job: FinishedJob, _ operation: OperationView, _ chain: CollectionChain, scenes: [CollectionChain.Scene],
    mosaic: CreateMosaicResult, publishing more: [Effect] = []
  ) throws -> ChainStep {
    let tiles = try drawn(operation)
    switch job.type {
    case JobType.createMosaic where chain.subject.wantsTiles, JobType.mosaicDatasets where chain.subject.wantsTiles:
      return try drawTiles(operation, chain.subject, chain.publication(scenes, mosaic, .none))
    case JobType.createMosaic, JobType.mosaicDatasets, JobType.generateTileCache:
      var catalog = chain.catalog(scenes)
      catalog.common.tiles = tiles
      return .job(NextJob(type: JobType.stacCatalogCollection, parameters: try JSON.text(catalog)))
    case JobType.stacCatalogCollection:
      let token = previewToken(operation.id).hexDigits
      let stac = try result(StacCollectionResult.self, of: job)
      return try verify(
        operation, chain.verify(scenes, previewToken: token), token,
        chain.publication(scenes, mosaic, stac).with(tiles))
    case JobType.verify:
      let probe = try earlier(ProbeResult.self, JobType.probe, operation)
      let stac = try earlier(StacCollectionResult.self, JobType.stacCatalogCollection, operation)
      return try publish(
        operation, chain.publication(scenes, mosaic, stac).with(tiles),
        chain.result(probe, scenes, mosaic).with(tiles), more: more)
    default: throw unknown(job)
    }
  }

  // MARK: Tiles that are drawn beforehand

  /// Share of a chain's progress beside the other steps' hundred.
  private static let tilesWeight = 25.0

  /// The steps in order. Drawing tiles comes before cataloguing, which tells of all that is served.
  private func plan(_ steps: [String], _ weights: [Double], _ subject: ChainSubject) throws -> ChainPlan {
    var (steps, weights) = (steps, weights)
    if subject.wantsTiles, let place = steps.firstIndex(where: { $0.hasPrefix("stac_catalog") }) {
      steps.insert(JobType.generateTileCache, at: place)
      weights.insert(Self.tilesWeight, at: place)
    }
    return ChainPlan(json: try JSON.text(["steps": steps]), stepWeights: weights)
  }

  /// Asks the data API for tiles of what is in preview only, and not in the catalogue yet.
  private func drawTiles(
    _ operation: OperationView, _ subject: ChainSubject, _ publication: Publication
  ) throws -> ChainStep {
    let token = previewToken(operation.id).hexDigits
    let parameters = TileCacheParameters(
      endpointPath: subject.identity.path, previewToken: token, bbox: publication.bbox ?? [-180, -90, 180, 90],
      title: publication.title, attribution: publication.attribution)
    return .job(
      NextJob(type: JobType.generateTileCache, parameters: try JSON.text(parameters)),
      effects: [try preview(operation, token, publication)])
  }

  private func drawn(_ operation: OperationView) throws -> TileCacheResult? {
    guard operation.jobs.contains(where: { $0.type == JobType.generateTileCache }) else { return nil }
    return try earlier(TileCacheResult.self, JobType.generateTileCache, operation)
  }

  // MARK: Results of several tasks

  private func results<T: Decodable>(_ type: T.Type, of job: FinishedJob) throws -> [T] {
    try job.results.map { try JSON.decode(type, from: $0) }
  }

  private func results<T: Decodable>(_ type: T.Type, _ job: String, _ operation: OperationView) throws -> [T] {
    guard let finished = operation.jobs.last(where: { $0.type == job }) else {
      throw ProblemReport(reason: "INTERNAL", message: "the results of \(job) are missing")
    }
    return try results(type, of: finished)
  }
}

extension ChainSubject {
  /// Whether tiles are drawn beforehand.
  fileprivate var wantsTiles: Bool { spec.raster?.options.enableTiles ?? false }
}

extension StacCatalogResult {
  /// Nothing is catalogued yet.
  fileprivate static let none = StacCatalogResult(collection: "null", item: "null")
}

extension StacCollectionResult {
  /// Nothing is catalogued yet.
  fileprivate static let none = StacCollectionResult(collection: "null", items: [])
}
