internal import Datasets
internal import FramedMessages
internal import ProtobufFacade
internal import TerraneMessages

extension DatasetIdentity {
  /// The identity a request names. Throws `Problem`.
  init(_ name: DatasetName?) throws(Datasets.Problem) {
    guard let name else { throw Datasets.Problem(.invalidArgument, "no dataset is named", field: "name") }
    try self.init(
      namespace: name.namespace, datasetID: name.datasetID, resourceID: name.resourceID, versionID: name.versionID)
  }
}

extension DatasetKey {
  /// The key a reference means. Throws `Problem`.
  init(_ reference: DatasetRef?) throws(Datasets.Problem) {
    switch reference?.by {
    case .datasetKey(let hex): try self.init(hex: hex)
    case .name(let name): self.init(of: try DatasetIdentity(name))
    case nil: throw Datasets.Problem(.invalidArgument, "no dataset is named", field: "dataset")
    }
  }
}

extension Datasets.DatasetSpec {
  /// The request after defaults. Throws `Problem` for what cannot be asked for.
  init(_ spec: TerraneMessages.DatasetSpec?) throws(Datasets.Problem) {
    guard let spec else { throw Datasets.Problem(.invalidArgument, "the request has no spec", field: "spec") }
    switch spec.type {
    case .vector, .raster, .rasterCollection, .mosaic: break
    case .unspecified: throw Datasets.Problem(.invalidArgument, "the request names no type", field: "spec.type")
    case .largeRaster:
      throw Datasets.Problem(
        .datasetTypeUnsupported, "large_raster cannot be asked for; the probe of a raster leads there",
        field: "spec.type")
    default:
      throw Datasets.Problem(
        .datasetTypeUnsupported, "datasets of type \(spec.type.jsonName ?? "\(spec.type.rawValue)") are not built yet",
        field: "spec.type")
    }
    if spec.visibility == .private {
      throw Datasets.Problem(
        .optionUnsupported, "private datasets are not built yet", field: "spec.visibility",
        remedy: "Ask for a public dataset, or wait for the gateway.")
    }
    let metadata = try Metadata(spec.metadata)
    if spec.type != .vector {
      guard spec.vectorOptions == nil else { throw Self.misplaced("spec.vector_options", "vectors") }
      let raster =
        switch spec.type {
        case .rasterCollection: try Raster(collection: spec)
        case .mosaic: try Raster(mosaic: spec)
        default: try Raster(spec)
        }
      self.init(raster: raster, metadata: metadata)
    } else {
      guard case .vector(let source)? = spec.source, !source.url.isEmpty else {
        throw Datasets.Problem(.invalidArgument, "the request has no source", field: "spec.vector.url")
      }
      guard spec.rasterOptions == nil else { throw Self.misplaced("spec.raster_options", "rasters") }
      self.init(
        type: .vector,
        source: VectorSource(
          url: source.url, layer: source.layer, crs: source.crs, encoding: source.encoding,
          longitudeColumn: source.csv?.longitude ?? "", latitudeColumn: source.csv?.latitude ?? "",
          wktColumn: source.csv?.wkt ?? ""),
        metadata: metadata, options: try VectorOptions(spec.vectorOptions))
    }
    try Self.checkLengths(self)
  }

  private static func misplaced(_ field: String, _ what: String) -> Datasets.Problem {
    Datasets.Problem(.invalidArgument, "\(field) is for \(what)", field: field)
  }

  /// Text that is stored, logged and shown has an end.
  private static func checkLengths(_ spec: Self) throws(Datasets.Problem) {
    let limits: [(String, String, Int)] = [
      ("spec.vector.url", spec.source.url, 4_096), ("spec.vector.layer", spec.source.layer, 1_024),
      ("spec.vector.crs", spec.source.crs, 16_384), ("spec.vector.encoding", spec.source.encoding, 64),
      ("spec.vector.csv.longitude", spec.source.longitudeColumn, 256),
      ("spec.vector.csv.latitude", spec.source.latitudeColumn, 256),
      ("spec.vector.csv.wkt", spec.source.wktColumn, 256),
      ("spec.raster.url", spec.raster?.url ?? "", 4_096),
      ("spec.raster_collection.urls", spec.raster?.files?.urls.joined(separator: "\n") ?? "", 524_288),
      ("spec.raster.crs", spec.raster?.crs ?? "", 16_384),
      ("spec.raster_options.target_crs", spec.raster?.options.targetCRS ?? "", 16_384),
      ("spec.raster_options.colormap", spec.raster?.options.colormap ?? "", 64),
      ("spec.metadata.title", spec.metadata.title, 1_024),
      ("spec.metadata.description", spec.metadata.description, 65_536),
      ("spec.metadata.attribution", spec.metadata.attribution, 1_024),
      ("spec.metadata.license", spec.metadata.license, 256),
      ("spec.metadata.keywords", spec.metadata.keywords.joined(), 8_192),
    ]
    for (field, text, limit) in limits where text.utf8.count > limit || text.utf8.contains(0) {
      throw Datasets.Problem(
        .invalidArgument, "\(field) is over \(limit) bytes or has a NUL", field: field, details: ["limit": "\(limit)"])
    }
  }
}

extension Datasets.DatasetSpec.Metadata {
  fileprivate init(_ metadata: TerraneMessages.Metadata?) throws(Datasets.Problem) {
    guard let metadata else {
      self.init()
      return
    }
    self.init(
      title: metadata.title, description: metadata.description, attribution: metadata.attribution,
      license: metadata.license, keywords: metadata.keywords)
    guard let time = metadata.datetime else { return }
    guard (-62_135_596_800..<253_402_300_800).contains(time.seconds), (0..<1_000_000_000).contains(time.nanos),
      case .string(let text) = time.jsonObject() as JSONValue
    else { throw Datasets.Problem(.invalidArgument, "datetime is out of range", field: "spec.metadata.datetime") }
    datetime = text
  }
}

extension Datasets.DatasetSpec.VectorOptions {
  fileprivate init(_ options: TerraneMessages.VectorOptions?) throws(Datasets.Problem) {
    let rejects = options?.maxRejects ?? 0
    guard rejects >= 0 else {
      throw Datasets.Problem(.invalidArgument, "max_rejects is negative", field: "spec.vector_options.max_rejects")
    }
    let nulls: NullGeometry
    switch options?.nullGeometry ?? .unspecified {
    case .unspecified, .drop: nulls = .drop
    case .keep: nulls = .keep
    case .fail: nulls = .fail
    case .unrecognized(let number):
      throw Datasets.Problem(
        .invalidArgument, "null_geometry has no value \(number)", field: "spec.vector_options.null_geometry")
    }
    self.init(nullGeometry: nulls, maxRejects: rejects)
  }
}
