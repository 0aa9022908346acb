internal import JobTypes
internal import TaskProtocol

/// probe → validate_rasters → process_rasters → create_mosaic → stac_catalog_collection → verify: a task for each file in the second
/// and third step. Pure, as every chain.
struct CollectionChain: Sendable {
  var subject: ChainSubject
  /// The operation's id.
  var build: Int64
  /// Without a trailing slash.
  var publicURL: String
  /// The scenes are tiles of one large raster, whose statistics are those of the whole.
  var areTiles = false

  static let steps = [
    JobType.probe, JobType.validateRasters, JobType.processRasters, JobType.createMosaic, JobType.stacCatalogCollection,
    JobType.verify,
  ]

  /// Shares of the whole chain's progress, in the order of `steps`.
  static let weights: [Double] = [2, 24, 60, 6, 2, 6]

  private var raster: DatasetSpec.Raster { subject.spec.raster ?? DatasetSpec.Raster(url: "") }
  private var files: DatasetSpec.Raster.Files { raster.files ?? DatasetSpec.Raster.Files() }

  func probe() -> ProbeParameters {
    var probe = ProbeParameters(
      source: raster.url, crs: raster.crs.nonEmpty, expects: "raster_collection",
      more: files.urls.isEmpty ? nil : files.urls)
    // Looked at with the first file, which may be one of those that are left out.
    probe.wishes = files.isTolerant ? nil : raster.options.wishes
    return probe
  }

  func validate(after probe: ProbeResult) -> ValidateRastersParameters {
    ValidateRastersParameters(files: probe.files ?? [], crs: raster.crs.nonEmpty)
  }

  // MARK: What the files came to

  /// The files that are to be served, in order. Throws `FILES_REJECTED` or `COLLECTION_MISMATCH`.
  func usable(_ checked: [ValidateFileResult]) throws -> [(file: ValidateFileResult, valid: ValidateRasterResult)] {
    let rejected = checked.filter { $0.valid == nil }
    let usable = checked.compactMap { file in file.valid.map { (file: file, valid: $0) } }
    if !rejected.isEmpty, !files.isTolerant || usable.isEmpty {
      throw ProblemReport(
        reason: "FILES_REJECTED",
        message: "\(rejected.count) of \(checked.count) files cannot be used, the first: \(rejected[0].name): "
          + "\(rejected[0].reason ?? ""): \(rejected[0].message ?? "")",
        details: Self.listed(rejected.map { ($0.name, "\($0.reason ?? ""): \($0.message ?? "")") }))
    }
    let differing = disagreeing(usable)
    guard let worst = differing.first else { return usable }
    guard files.isTolerant else {
      throw ProblemReport(
        reason: "COLLECTION_MISMATCH",
        message: "\(differing.count) of \(usable.count) files do not agree with \(usable[0].file.name), the first: "
          + "\(worst.name): \(worst.why)",
        details: Self.listed(differing.map { ($0.name, $0.why) }))
    }
    let left = Set(differing.map(\.id))
    return usable.filter { !left.contains($0.file.id) }
  }

  /// The files that cannot lie beside the others: beside the first, or where files may be left out beside the most common kind.
  private func disagreeing(
    _ usable: [(file: ValidateFileResult, valid: ValidateRasterResult)]
  ) -> [(id: String, name: String, why: String)] {
    guard let first = usable.first else { return [] }
    var reference = first
    if files.isTolerant {
      let kinds = usable.map { Self.likeness($0.valid.raster) }
      let counts = Dictionary(kinds.map { ($0, 1) }, uniquingKeysWith: +)
      let most = counts.values.max() ?? 0
      // Of the most common kind that whose pixels are of middling size.
      let common = kinds.first { counts[$0] == most }
      let alike = zip(usable, kinds).filter { $1 == common }.map(\.0)
      reference = alike.sorted { Self.area($0.valid.raster) < Self.area($1.valid.raster) }[(alike.count - 1) / 2]
    }
    return usable.compactMap { one in
      Self.difference(one.valid.raster, reference.valid.raster).map { (one.file.id, one.file.name, $0) }
    }
  }

  /// Equal for rasters that differ in their pixels' size at most.
  private static func likeness(_ raster: RasterDescription) -> [String] {
    raster.bands.map(\.type) + [raster.crs, raster.crsWKT]
  }

  /// Of a pixel, in square units of the reference system.
  private static func area(_ raster: RasterDescription) -> Double {
    let t = raster.transform
    return abs(t[1] * t[5] - t[2] * t[4])
  }

  /// The files that are left out although they can be read, and why.
  private func leftOut(_ checked: [ValidateFileResult]) -> [LeftOutFile] {
    let usable = checked.compactMap { file in file.valid.map { (file: file, valid: $0) } }
    return disagreeing(usable).map { LeftOutFile(name: $0.name, why: $0.why) }
  }

  /// How one raster cannot lie beside another; nil: it can.
  static func difference(_ one: RasterDescription, _ other: RasterDescription) -> String? {
    if one.bands.count != other.bands.count { return "\(one.bands.count) bands, not \(other.bands.count)" }
    let (types, others) = (one.bands.map(\.type), other.bands.map(\.type))
    if types != others { return "values of \(types.joined(separator: ", ")), not \(others.joined(separator: ", "))" }
    if one.crs != other.crs || one.crsWKT != other.crsWKT { return "in \(one.crs), not \(other.crs)" }
    func size(_ t: [Double]) -> (Double, Double) {
      ((t[1] * t[1] + t[4] * t[4]).squareRoot(), (t[2] * t[2] + t[5] * t[5]).squareRoot())
    }
    let (mine, theirs) = (size(one.transform), size(other.transform))
    for (a, b) in [(mine.0, theirs.0), (mine.1, theirs.1)] where a > b * 1.2 || b > a * 1.2 {
      return "pixels of \(a), not \(b)"
    }
    return nil
  }

  /// At most 20 of them; a problem has its limits.
  private static func listed(_ files: [(String, String)]) -> [String: String] {
    var details: [String: String] = ["count": "\(files.count)"]
    for (name, what) in files.prefix(20) { details["file \(name.prefix(100))"] = String(what.prefix(300)) }
    return details
  }

  // MARK: Further steps

  func process(after probe: ProbeResult, _ checked: [ValidateFileResult]) throws -> ProcessRastersParameters {
    let sources = Dictionary((probe.files ?? []).map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    let usable = try usable(checked)
    // One kind for all: scenes of one picture must not be compressed, or shown, in different ways.
    let kinds = Set(usable.map(\.valid.raster.kind))
    let kind = kinds.count == 1 ? usable[0].valid.raster.kind : "continuous"
    return ProcessRastersParameters(
      files: try usable.map { one in
        guard let source = sources[one.file.id] else {
          throw ProblemReport(reason: "INTERNAL", message: "a file was checked that the probe did not name")
        }
        var described = one.valid.raster
        described.kind = kind
        return ProcessRasterParameters(
          source: source.source, pin: source.pin, crs: raster.crs.nonEmpty, raster: described,
          writing: raster.options.writing, threads: 1)
      })
  }

  /// Most bytes of the descriptions of all scenes. In a task's result, which may have 16 MiB, a scene is up to twice as long.
  private static let mostBytes = 8 << 20

  /// That what describes the scenes has room where it is catalogued, before anything is written. Throws `TOO_MANY_FILES`.
  static func requireRoom(_ bytes: Int, scenes: Int, bands: Int) throws {
    guard bytes > mostBytes else { return }
    throw ProblemReport(
      reason: "TOO_MANY_FILES",
      message:
        "What describes \(scenes) scenes of \(bands) bands has \((bytes >> 20) + 1) MiB; \(mostBytes >> 20) are allowed, "
        + "which are some \(scenes * mostBytes / bytes) of them.",
      details: ["scenes": "\(scenes)", "bands": "\(bands)"])
  }

  /// - Parameter checked: of a collection, what its files came to.
  func mosaic(
    _ files: [ProcessRasterResult], filesRoot: String, checked: [ValidateFileResult] = []
  ) -> CreateMosaicParameters {
    let left = leftOut(checked)
    return CreateMosaicParameters(
      filesRoot: filesRoot, files: files.map(\.file), kind: files[0].raster.kind, leftOut: left.isEmpty ? nil : left)
  }

  func catalog(_ scenes: [Scene]) -> StacCatalogCollectionParameters {
    let metadata = subject.spec.metadata
    let first = scenes[0]
    return StacCatalogCollectionParameters(
      common: StacCatalogRasterParameters(
        collectionID: subject.identity.stacVersionCollection, itemID: "", title: subject.title,
        description: metadata.description.nonEmpty ?? subject.title, license: metadata.license,
        attribution: metadata.attribution, keywords: metadata.keywords,
        datetime: metadata.datetime ?? subject.requestedAt,
        datetimeSource: metadata.datetime == nil ? "publish_time" : "request",
        endpoint: publicURL + subject.identity.path, sourceSHA256: "", sourceCRS: "", versions: first.valid.versions,
        file: served(first.file), rendering: rendering(scenes)),
      scenes: scenes.map {
        CatalogScene(
          id: $0.id, file: areTiles ? bare($0.file) : served($0.file), sourceSHA256: $0.valid.sourceSHA256,
          sourceCRS: $0.valid.raster.crs, item: $0.member?.item)
      },
      bbox: Self.box(scenes.map(\.file.raster.bbox)))
  }

  func verify(_ scenes: [Scene], previewToken: String) -> VerifyParameters {
    let first = scenes[0]
    return VerifyParameters(
      endpointPath: subject.identity.path, previewToken: previewToken,
      raster: VerifyRaster(
        width: 0, height: 0, types: first.file.raster.bands.map(\.type), bbox: first.file.raster.bbox, item: first.id,
        scenes: scenes.count))
  }

  func publication(_ scenes: [Scene], _ mosaic: CreateMosaicResult, _ stac: StacCollectionResult) -> Publication {
    let metadata = subject.spec.metadata
    let shown = rendering(scenes)
    func raster(_ position: Int, _ id: String, _ file: ProcessRasterResult, _ role: String?) -> Publication.Raster {
      Publication.Raster(
        id: id, position: position, title: id, file: file.file, bytes: file.bytes, bbox: file.raster.bbox,
        details: Publication.Details(raster: served(file).raster, rendering: shown, role: role))
    }
    var rasters = scenes.enumerated().map { raster($0, $1.id, $1.file, nil) }
    if let overview = mosaic.overview { rasters.append(raster(scenes.count, Self.overviewID, overview, "overview")) }
    return Publication(
      kind: "mosaic", title: subject.title, description: metadata.description, attribution: metadata.attribution,
      license: metadata.license.nonEmpty ?? "other", bbox: Self.box(scenes.map(\.file.raster.bbox)), collections: [],
      rasters: rasters, stac: StacCatalogResult(collection: stac.collection, item: ""), items: stac.items)
  }

  func result(_ probe: ProbeResult, _ scenes: [Scene], _ mosaic: CreateMosaicResult) -> DatasetResult {
    let first = scenes[0]
    let pixels = scenes.reduce(Int64(0)) { $0 + $1.valid.raster.pixels }
    let empty = scenes.reduce(Int64(0)) { $0 + $1.valid.emptyPixels }
    let box = Self.box(scenes.map(\.file.raster.bbox))
    return DatasetResult(
      path: subject.identity.path, stacCollection: subject.identity.stacVersionCollection, stacItem: "",
      bbox: box, crs: crs(scenes), featureCount: 0, collections: [],
      treatment: DatasetResult.Treatment(
        sourceCRS: first.valid.raster.crs, sourceFormat: probe.driver, sourceSHA256: "", sourceFeatures: 0,
        droppedNullGeometries: 0, repairedGeometries: 0, dimensionsDropped: 0, renamedColumns: 0,
        gdalVersion: first.valid.versions.gdal, projVersion: first.valid.versions.proj,
        raster: DatasetResult.RasterTreatment(
          sourceWidth: mosaic.width, sourceHeight: mosaic.height,
          nodataShare: pixels > 0 ? Double(empty) / Double(pixels) : 0, compression: first.file.compression,
          isLossy: first.file.isLossy, resampling: first.file.resampling, overviews: first.file.overviews)),
      build: build,
      rasters: [
        DatasetResult.Raster(
          id: "mosaic", title: subject.title, kind: first.file.raster.kind, width: mosaic.width, height: mosaic.height,
          crs: crs(scenes), bbox: box, bytes: scenes.reduce(0) { $0 + $1.file.bytes },
          bands: bands(scenes).map(DatasetResult.Band.init), scenes: scenes.count)
      ])
  }

  /// No scene has it: ids begin with what file names do, and this does not.
  static let overviewID = "~overview"

  private func served(_ file: ProcessRasterResult) -> ProcessRasterResult {
    raster.options.generateStatistics ? file : bare(file)
  }

  private func bare(_ file: ProcessRasterResult) -> ProcessRasterResult {
    var bare = file
    for index in bare.raster.bands.indices { bare.raster.bands[index].statistics = nil }
    return bare
  }

  /// The scenes' reference systems; only datasets of a mosaic differ in theirs.
  private func crs(_ scenes: [Scene]) -> String {
    var seen: Set<String> = []
    return scenes.map(\.file.raster.crs).filter { seen.insert($0).inserted }.prefix(10).joined(separator: ", ")
  }

  /// One for all: scenes beside each other that are scaled by their own values show their borders.
  private func rendering(_ scenes: [Scene]) -> RasterRendering {
    // Datasets that are all shown in one way go on being shown so; and without statistics nothing better is known.
    if let shown = scenes[0].member?.rendering,
      scenes.allSatisfy({ $0.member?.rendering == shown })
        || scenes.contains(where: { $0.file.raster.bands.contains { $0.statistics == nil } })
    {
      return shown.asked(raster.options, bands: scenes[0].file.raster.bands.count)
    }
    return RasterRendering(whole(scenes), raster.options)
  }

  /// Most classes that are told apart by colour.
  private static let mostClasses = 256

  /// The first scene's description, with the statistics and classes of all.
  private func whole(_ scenes: [Scene]) -> RasterDescription {
    var whole = scenes[0].file.raster
    for index in whole.bands.indices {
      whole.bands[index].statistics = RasterStatistics(
        of: scenes.compactMap { scene in
          scene.file.raster.bands[index].statistics.map { ($0, scene.file.raster.pixels) }
        })
    }
    let classes = scenes.map(\.file.raster.bands[0].classes)
    let all = Set(classes.flatMap { $0 ?? [] })
    let isTold = !classes.contains(nil) && all.count <= Self.mostClasses
    whole.bands[0].classes = isTold && whole.kind == "categorical" ? all.sorted() : nil
    return whole
  }

  /// As they are told of. Where one scene has no statistics there are none of all.
  private func bands(_ scenes: [Scene]) -> [RasterBand] {
    var bands = whole(scenes).bands
    for index in bands.indices
    where !raster.options.generateStatistics
      || scenes.contains(where: { $0.file.raster.bands[index].statistics == nil })
    { bands[index].statistics = nil }
    return bands
  }

  /// West, south, east, north around boxes; over the antimeridian where that is shorter.
  static func box(_ boxes: [[Double]]) -> [Double] {
    let south = boxes.map { $0[1] }.min() ?? -90
    let north = boxes.map { $0[3] }.max() ?? 90
    let plain = boxes.filter { $0[0] <= $0[2] }
    guard plain.count < boxes.count else {
      return [boxes.map { $0[0] }.min() ?? -180, south, boxes.map { $0[2] }.max() ?? 180, north]
    }
    // Some cross the line: longitudes counted from 0 to 360, each box as wide as it is.
    let spans = boxes.map { box in
      let west = box[0] < 0 ? box[0] + 360 : box[0]
      return (west: west, east: west + (box[0] > box[2] ? box[2] + 360 : box[2]) - box[0])
    }
    let west = spans.map(\.west).min()!
    let east = spans.map(\.east).max()!
    guard east - west < 360 else { return [-180, south, 180, north] }
    return [west > 180 ? west - 360 : west, south, east > 180 ? east - 360 : east, north]
  }

  /// A file from its source to what is served of it.
  struct Scene: Sendable {
    var id: String
    var valid: ValidateRasterResult
    var file: ProcessRasterResult
    /// Of a mosaic over datasets: what its dataset has of it.
    var member: MemberScene? = nil
  }

  /// The scenes of finished steps, in order.
  func scenes(_ checked: [ValidateFileResult], _ files: [ProcessRasterResult]) throws -> [Scene] {
    let usable = try usable(checked)
    guard usable.count == files.count, !files.isEmpty else {
      throw ProblemReport(reason: "INTERNAL", message: "\(files.count) files were written of \(usable.count)")
    }
    return zip(usable, files).map { Scene(id: $0.file.id, valid: $0.valid, file: $1) }
  }
}

extension RasterStatistics {
  /// Of several rasters together; nil: none of them has any.
  init?(of parts: [(RasterStatistics, pixels: Int64)]) {
    var count = 0.0
    var mean = 0.0
    var squares = 0.0
    for (part, pixels) in parts {
      let n = part.validShare * Double(pixels)
      guard n > 0 else { continue }
      let difference = part.mean - mean
      squares += part.standardDeviation * part.standardDeviation * n + difference * difference * count * n / (count + n)
      mean += difference * n / (count + n)
      count += n
    }
    guard count > 0, let low = parts.map(\.0.minimum).min(), let high = parts.map(\.0.maximum).max() else { return nil }
    let all = parts.reduce(0.0) { $0 + Double($1.pixels) }
    self.init(
      minimum: low, maximum: high, mean: mean, standardDeviation: (squares / count).squareRoot(),
      validShare: count / all)
  }
}
