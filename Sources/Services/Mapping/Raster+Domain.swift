internal import Datasets
internal import ProtobufFacade
internal import TerraneMessages

extension Datasets.DatasetSpec.Raster {
  /// What a request says of a raster, after defaults. Throws `Problem`.
  init(_ spec: TerraneMessages.DatasetSpec) throws(Datasets.Problem) {
    guard case .raster(let source)? = spec.source, !source.url.isEmpty else {
      throw Datasets.Problem(.invalidArgument, "the request has no source", field: "spec.raster.url")
    }
    self.init(url: source.url, crs: source.crs, options: try Options(spec.rasterOptions))
  }
}

extension Datasets.DatasetSpec.Raster {
  private static let mostFiles = 1_000

  /// What a request says of a collection. Throws `Problem`.
  init(collection spec: TerraneMessages.DatasetSpec) throws(Datasets.Problem) {
    guard case .rasterCollection(let source)? = spec.source, source.pattern.isEmpty != source.urls.isEmpty else {
      throw Datasets.Problem(
        .invalidArgument, "a collection has a pattern or a list of files, one of them", field: "spec.raster_collection")
    }
    guard source.urls.count <= Self.mostFiles, Set(source.urls).count == source.urls.count else {
      throw Datasets.Problem(
        .invalidArgument, "a collection has at most \(Self.mostFiles) files, each once",
        field: "spec.raster_collection.urls")
    }
    if case .unrecognized(let number) = source.policy {
      throw Datasets.Problem(
        .invalidArgument, "policy has no value \(number)", field: "spec.raster_collection.policy")
    }
    self.init(
      url: source.pattern, crs: source.crs, options: try Options(spec.rasterOptions),
      files: Files(urls: source.urls, isTolerant: source.policy == .tolerant))
  }
}

extension Datasets.DatasetSpec.Raster {
  private static let mostMembers = 1_000

  /// What a request says of a mosaic over datasets. Throws `Problem`.
  init(mosaic spec: TerraneMessages.DatasetSpec) throws(Datasets.Problem) {
    let field = "spec.mosaic.datasets"
    guard case .mosaic(let source)? = spec.source, (1...Self.mostMembers).contains(source.datasets.count) else {
      throw Datasets.Problem(
        .invalidArgument, "a mosaic is made of 1 to \(Self.mostMembers) datasets", field: field)
    }
    var members: [DatasetIdentity] = []
    for name in source.datasets { members.append(try DatasetIdentity(name)) }
    guard Set(members).count == members.count else {
      throw Datasets.Problem(.invalidArgument, "a mosaic has each dataset once", field: field)
    }
    let options = try Options(spec.rasterOptions)
    var shown = Options()
    (shown.colormap, shown.rescale, shown.enableTiles) = (options.colormap, options.rescale, options.enableTiles)
    guard options == shown else {
      throw Datasets.Problem(
        .invalidArgument,
        "of a mosaic only colormap, rescale and enable_tiles can be chosen: its datasets are written already",
        field: "spec.raster_options")
    }
    self.init(url: "", options: options, members: members)
  }
}

extension RasterCollectionSource {
  init(_ raster: Datasets.DatasetSpec.Raster, _ files: Datasets.DatasetSpec.Raster.Files) {
    self.init(
      pattern: raster.url, urls: files.urls, crs: raster.crs, policy: files.isTolerant ? .tolerant : .strict)
  }
}

extension Datasets.DatasetSpec.Raster.Options {
  /// More bands than a raster may have are more ranges than anybody needs.
  private static let mostRanges = 100

  fileprivate init(_ options: RasterOptions?) throws(Datasets.Problem) {
    guard let options else {
      self.init()
      return
    }
    guard options.resolution.isFinite, options.resolution >= 0 else {
      throw Self.wrong("resolution", "is a number from 0")
    }
    guard options.colormap.isEmpty || Colormaps.names.contains(options.colormap) else {
      throw Self.wrong(
        "colormap",
        "is the name of a colour map, in small letters, as \(Colormaps.like(options.colormap).joined(separator: ", "))")
    }
    guard options.rescale.count <= Self.mostRanges else {
      throw Self.wrong("rescale", "has at most \(Self.mostRanges) ranges")
    }
    for range in options.rescale where !(range.minimum < range.maximum && (range.maximum - range.minimum).isFinite) {
      throw Self.wrong("rescale", "goes from a smaller value to a larger one")
    }
    if case .unrecognized(let number) = options.resampling { throw Self.wrong("resampling", "has no value \(number)") }
    if case .unrecognized(let number) = options.compression {
      throw Self.wrong("compression", "has no value \(number)")
    }
    self.init(
      targetCRS: options.targetCrs, resolution: options.resolution,
      resampling: options.resampling == .unspecified ? "" : options.resampling.jsonName ?? "",
      compression: options.compression == .unspecified ? "" : options.compression.jsonName ?? "",
      generateStatistics: options.generateStatistics ?? true, buildOverviews: options.buildOverviews ?? true,
      colormap: options.colormap, rescale: options.rescale.map { [$0.minimum, $0.maximum] },
      enableTiles: options.enableTiles ? true : nil)
  }

  private static func wrong(_ option: String, _ rule: String) -> Datasets.Problem {
    let field = "spec.raster_options.\(option)"
    return Datasets.Problem(.invalidArgument, "\(option) \(rule)", field: field)
  }
}

extension RasterOptions {
  /// As a record tells it. Nil: all of it is left to what the raster is.
  init?(_ options: Datasets.DatasetSpec.Raster.Options) {
    guard options != Datasets.DatasetSpec.Raster.Options() else { return nil }
    self.init(
      targetCrs: options.targetCRS, resolution: options.resolution,
      resampling: Resampling(jsonName: options.resampling) ?? .unspecified,
      compression: Compression(jsonName: options.compression) ?? .unspecified,
      generateStatistics: options.generateStatistics ? nil : false,
      buildOverviews: options.buildOverviews ? nil : false,
      colormap: options.colormap, rescale: options.rescale.map { ValueRange(minimum: $0[0], maximum: $0[1]) },
      enableTiles: options.enableTiles ?? false)
  }
}

extension ServedRaster {
  /// - Parameter endpoint: the dataset's URL.
  init(_ raster: Datasets.DatasetResult.Raster, endpoint: String, withBands: Bool) {
    self.init(
      id: raster.id, title: raster.title, kind: raster.kind, width: Int32(clamping: raster.width),
      height: Int32(clamping: raster.height), crs: raster.crs, bbox: BoundingBox(raster.bbox), bytes: raster.bytes,
      bands: withBands ? raster.bands.map(RasterBand.init) : [], bandCount: Int32(clamping: raster.bands.count),
      tilesURL: "\(endpoint)/tiles/WebMercatorQuad/{z}/{x}/{y}.png",
      tilejsonURL: "\(endpoint)/WebMercatorQuad/tilejson.json", wmtsURL: "\(endpoint)/WMTSCapabilities.xml",
      previewURL: "\(endpoint)/preview.png", downloadURL: raster.scenes == nil ? "\(endpoint)/data.tif" : "",
      sceneCount: Int32(clamping: raster.scenes ?? 0), scenesURL: raster.scenes == nil ? "" : "\(endpoint)/scenes",
      mosaicjsonURL: raster.scenes == nil ? "" : "\(endpoint)/mosaic.json",
      tileCacheURL: raster.tileCacheMaxzoom == nil ? "" : "\(endpoint)/tiles.mbtiles",
      tileCacheMaxzoom: Int32(clamping: raster.tileCacheMaxzoom ?? 0))
  }
}

extension RasterBand {
  init(_ band: Datasets.DatasetResult.Band) {
    self.init(
      type: band.type, colour: band.colour, nodata: band.nodata ?? "", unit: band.unit, description: band.description,
      statistics: band.statistics.map {
        BandStatistics(
          minimum: $0.minimum, maximum: $0.maximum, mean: $0.mean, standardDeviation: $0.standardDeviation,
          validShare: $0.validShare)
      }, scale: band.scale, offset: band.offset)
  }
}

extension RasterTreatment {
  init(_ treatment: Datasets.DatasetResult.RasterTreatment) {
    self.init(
      sourceWidth: Int32(clamping: treatment.sourceWidth), sourceHeight: Int32(clamping: treatment.sourceHeight),
      nodataShare: treatment.nodataShare, compression: treatment.compression, lossy: treatment.isLossy,
      resampling: treatment.resampling, overviews: Int32(clamping: treatment.overviews))
  }
}
