internal import JobTypes

/// probe → validate_raster → process_raster → stac_catalog_raster → verify, planned a step at a time from what the step before
/// found. Pure: planning the same thing twice gives the same plan.
struct RasterChain: Sendable {
  var subject: ChainSubject
  /// The operation's id.
  var build: Int64
  /// Without a trailing slash.
  var publicURL: String

  static let steps = [
    JobType.probe, JobType.validateRaster, JobType.processRaster, JobType.stacCatalogRaster, JobType.verify,
  ]

  /// Shares of the whole chain's progress, in the order of `steps`.
  static let weights: [Double] = [2, 24, 66, 2, 6]

  private var raster: DatasetSpec.Raster { subject.spec.raster ?? DatasetSpec.Raster(url: "") }

  func probe() -> ProbeParameters {
    var probe = ProbeParameters(source: raster.url, crs: raster.crs.nonEmpty, expects: "raster")
    probe.wishes = raster.options.wishes
    return probe
  }

  func validate(after probe: ProbeResult) -> ValidateRasterParameters {
    ValidateRasterParameters(source: raster.url, pin: probe.pin, crs: raster.crs.nonEmpty)
  }

  func process(after probe: ProbeResult, _ valid: ValidateRasterResult) -> ProcessRasterParameters {
    ProcessRasterParameters(
      source: raster.url, pin: probe.pin, crs: raster.crs.nonEmpty, raster: valid.raster,
      writing: raster.options.writing)
  }

  func catalog(_ valid: ValidateRasterResult, _ file: ProcessRasterResult) -> StacCatalogRasterParameters {
    let metadata = subject.spec.metadata
    return StacCatalogRasterParameters(
      collectionID: subject.identity.stacCollection, itemID: subject.identity.stacItem, title: subject.title,
      description: metadata.description.nonEmpty ?? subject.title, license: metadata.license,
      attribution: metadata.attribution, keywords: metadata.keywords,
      datetime: metadata.datetime ?? subject.requestedAt,
      datetimeSource: metadata.datetime == nil ? "publish_time" : "request",
      endpoint: publicURL + subject.identity.path, sourceSHA256: valid.sourceSHA256, sourceCRS: valid.raster.crs,
      versions: valid.versions, file: served(file), rendering: rendering(file.raster))
  }

  func verify(_ file: ProcessRasterResult, previewToken: String) -> VerifyParameters {
    VerifyParameters(
      endpointPath: subject.identity.path, previewToken: previewToken,
      raster: VerifyRaster(
        width: file.raster.width, height: file.raster.height, types: file.raster.bands.map(\.type),
        bbox: file.raster.bbox, item: subject.identity.stacItem))
  }

  func publication(_ file: ProcessRasterResult, _ stac: StacCatalogResult) -> Publication {
    let metadata = subject.spec.metadata
    return Publication(
      kind: "raster", title: subject.title, description: metadata.description, attribution: metadata.attribution,
      license: metadata.license.nonEmpty ?? "other", bbox: file.raster.bbox, collections: [],
      rasters: [
        Publication.Raster(
          id: Self.rasterID, position: 0, title: subject.title, file: file.file, bytes: file.bytes,
          bbox: file.raster.bbox,
          details: Publication.Details(raster: served(file).raster, rendering: rendering(file.raster)))
      ], stac: stac)
  }

  func result(
    _ probe: ProbeResult, _ valid: ValidateRasterResult, _ file: ProcessRasterResult
  ) -> DatasetResult {
    let source = valid.raster
    return DatasetResult(
      path: subject.identity.path, stacCollection: subject.identity.stacCollection, stacItem: subject.identity.stacItem,
      bbox: file.raster.bbox, crs: file.raster.crs, featureCount: 0, collections: [],
      treatment: DatasetResult.Treatment(
        sourceCRS: source.crs, sourceFormat: probe.driver, sourceSHA256: valid.sourceSHA256, sourceFeatures: 0,
        droppedNullGeometries: 0, repairedGeometries: 0, dimensionsDropped: 0, renamedColumns: 0,
        gdalVersion: valid.versions.gdal, projVersion: valid.versions.proj,
        raster: DatasetResult.RasterTreatment(
          sourceWidth: source.width, sourceHeight: source.height,
          nodataShare: source.pixels > 0 ? Double(valid.emptyPixels) / Double(source.pixels) : 0,
          compression: file.compression, isLossy: file.isLossy, resampling: file.resampling,
          overviews: file.overviews)),
      build: build,
      rasters: [
        DatasetResult.Raster(
          id: Self.rasterID, title: subject.title, kind: file.raster.kind, width: file.raster.width,
          height: file.raster.height, crs: file.raster.crs, bbox: file.raster.bbox, bytes: file.bytes,
          bands: served(file).raster.bands.map(DatasetResult.Band.init))
      ])
  }

  /// The one raster of a raster dataset.
  static let rasterID = "raster"

  /// As it is told of: without statistics where the request wants none.
  private func served(_ file: ProcessRasterResult) -> ProcessRasterResult {
    guard !raster.options.generateStatistics else { return file }
    var bare = file
    for index in bare.raster.bands.indices { bare.raster.bands[index].statistics = nil }
    return bare
  }

  private func rendering(_ found: RasterDescription) -> RasterRendering { RasterRendering(found, raster.options) }
}

extension DatasetSpec.Raster.Options {
  var writing: RasterWriting {
    RasterWriting(
      targetCRS: targetCRS.nonEmpty, resolution: resolution > 0 ? resolution : nil, resampling: resampling.nonEmpty,
      compression: compression.nonEmpty, overviews: buildOverviews)
  }

  var wishes: RasterWishes { RasterWishes(writing: writing, colormap: colormap.nonEmpty, ranges: rescale.count) }
}

extension DatasetResult.Band {
  init(_ band: RasterBand) {
    self.init(
      type: band.type, colour: band.colour, nodata: band.nodata, unit: band.unit, description: band.description,
      scale: band.scale, offset: band.offset,
      statistics: band.statistics.map { found in
        DatasetResult.Statistics(
          minimum: found.minimum, maximum: found.maximum, mean: found.mean,
          standardDeviation: found.standardDeviation, validShare: found.validShare)
      })
  }
}
