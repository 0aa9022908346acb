internal import Geospatial
internal import JobTypes
internal import TaskProtocol

/// `mosaic_datasets`: reads which files the held builds of the members have, and lays them together. No pixel is copied, but for
/// the picture of all of them from afar.
enum MosaicDatasetsHandler: TaskHandler {
  static let version: Int32 = 1

  static func run(_ context: TaskContext) throws -> String {
    let parameters = try context.parameters(MosaicDatasetsParameters.self)
    let reporter = context.reporter
    try reporter.progress("open", unit: "steps", done: 0, total: 1, message: "Laying the datasets together")
    guard let database = context.assignment.database else {
      throw ProblemReport(.parametersInvalid, "mosaic_datasets needs the database.")
    }
    let connection = try DatabaseConnection(database) { try reporter.alive() }
    let rows = try connection.run(
      """
      SELECT position, raster_id, file, bytes, details, item FROM serving.member_rasters WHERE operation_id = $1
      ORDER BY position, raster_position
      """, ["\(context.assignment.operationID)"])
    var members = MemberRows(parameters.members)
    var scenes = try members.scenes(rows)
    try requireAgreement(scenes)
    try look(at: &scenes, parameters.filesRoot)
    let first = scenes[0].file.raster
    let mosaic = try RasterMosaic(paths: scenes.map { "\(parameters.filesRoot)/\($0.file.file)" })
    let kind = scenes.allSatisfy { $0.file.raster.kind == first.kind } ? first.kind : RasterKind.continuous.rawValue
    let laid = try CreateMosaicHandler.layTogether(mosaic, scenes: scenes.count, kind: kind, context)
    return try JSONText.encode(MosaicDatasetsResult(mosaic: laid, scenes: scenes))
  }

  /// Pixels of one place come from several scenes: they must have the same bands.
  private static func requireAgreement(_ scenes: [MemberScene]) throws {
    func described(_ scene: MemberScene) -> String {
      scene.file.raster.bands.map { $0.colour == "alpha" ? "alpha" : $0.type }.joined(separator: ", ")
    }
    let expected = described(scenes[0])
    let others = scenes.filter { described($0) != expected }
    guard let worst = others.first else { return }
    throw ProblemReport(
      .collectionMismatch,
      "\(others.count) of \(scenes.count) scenes have other bands than \(scenes[0].id) (\(expected)), the first: "
        + "\(worst.id): \(described(worst))",
      details: Dictionary(
        others.prefix(20).map { ("scene \($0.id.prefix(100))", described($0)) }, uniquingKeysWith: { one, _ in one }))
  }

  /// That every file is there, and how many overviews it has.
  private static func look(at scenes: inout [MemberScene], _ root: String) throws {
    for index in scenes.indices {
      scenes[index].file.overviews = try RasterDataset(path: "\(root)/\(scenes[index].file.file)").overviewSizes.count
    }
  }
}

/// Rows of serving.member_rasters as scenes.
private struct MemberRows {
  /// Most scenes of a mosaic, as of a collection.
  private static let most = 1_000
  /// Most bytes of what is told of them: a task's result has an end, and so has a statement that publishes.
  private static let mostBytes = 12 << 20

  let members: [String]
  private var ids: Set<String> = []

  init(_ members: [String]) { self.members = members }

  mutating func scenes(_ rows: [[String?]]) throws -> [MemberScene] {
    guard rows.count <= Self.most else {
      throw ProblemReport(
        .tooManyFiles, "The datasets have \(rows.count) scenes together; \(Self.most) are allowed.")
    }
    let bytes = rows.reduce(0) { $0 + ($1[4]?.utf8.count ?? 0) + ($1[5]?.utf8.count ?? 0) }
    guard bytes <= Self.mostBytes else {
      throw ProblemReport(
        .tooManyFiles,
        "What describes the datasets' \(rows.count) scenes has \(bytes >> 20) MiB; \(Self.mostBytes >> 20) are allowed."
      )
    }
    var found: Set<Int> = []
    var replaced: Set<Int> = []
    var scenes: [MemberScene] = []
    let counts = Dictionary(rows.map { ($0[0] ?? "", 1) }, uniquingKeysWith: +)
    for row in rows {
      // Numbered from 1, as SQL does.
      guard let text = row[0], let position = Int(text), members.indices.contains(position - 1) else {
        throw ProblemReport(.internal, "A raster is held that no dataset of the mosaic has.")
      }
      guard row[1] != nil else {
        replaced.insert(position)
        continue
      }
      found.insert(position)
      scenes.append(try scene(row, of: members[position - 1], isAlone: counts[text] == 1))
    }
    let missing = members.indices.filter { !found.contains($0 + 1) }.map { members[$0] }
    guard missing.isEmpty else {
      throw ProblemReport(
        .membersNotReady,
        replaced.isEmpty
          ? "\(missing.count) of \(members.count) datasets have no rasters that are served, the first: \(missing[0])."
          : "\(missing.count) of \(members.count) datasets were built anew or withdrawn while the mosaic was being made, the first: "
            + "\(missing[0]). Retry it.",
        details: Dictionary(
          missing.prefix(20).enumerated().map { ("dataset \($0 + 1)", $1) }, uniquingKeysWith: { one, _ in one }))
    }
    return scenes
  }

  private struct Details: Decodable {
    var raster: RasterDescription
    var rendering: RasterRendering
  }

  private mutating func scene(_ row: [String?], of member: String, isAlone: Bool) throws -> MemberScene {
    guard row.count == 6, let raster = row[1], let file = row[2], let bytes = row[3].flatMap(Int64.init),
      let described = row[4], let item = row[5]
    else { throw ProblemReport(.internal, "What is known of a raster of \(member) is not whole.") }
    let details: Details = try JSONText.decode(Details.self, from: described)
    let properties = ItemProperties(item)
    let plain = member.replacing("/", with: ".").replacing("@", with: "")
    let id = CollectionProbe.unique(isAlone ? plain : "\(plain).\(raster)", unlike: &ids)
    let shares = details.raster.bands.compactMap(\.statistics?.validShare)
    let empty = shares.max().map { Double(details.raster.pixels) * (1 - $0) } ?? 0
    return MemberScene(
      id: id, emptyPixels: Int64(empty), sourceSHA256: properties.sourceSHA256, versions: .current,
      file: ProcessRasterResult(
        file: file, bytes: bytes, sha256: "", raster: details.raster, compression: properties.compression,
        isLossy: properties.isLossy, resampling: "", overviews: 0),
      rendering: details.rendering, item: item)
  }
}

/// What a raster's STAC item says of how it was made.
private struct ItemProperties {
  var sourceSHA256 = ""
  var compression = ""
  var isLossy = false

  private struct Item: Decodable {
    struct Properties: Decodable {
      var sha256: String?
      var compression: String?
      var lossy: Bool?

      enum CodingKeys: String, CodingKey {
        case sha256 = "terrane:source_sha256"
        case compression = "terrane:compression"
        case lossy = "terrane:lossy"
      }
    }
    var properties: Properties
  }

  init(_ item: String) {
    guard let told = try? JSONText.decode(Item.self, from: item).properties else { return }
    sourceSHA256 = told.sha256 ?? ""
    compression = told.compression ?? ""
    isLossy = told.lossy ?? false
  }
}
