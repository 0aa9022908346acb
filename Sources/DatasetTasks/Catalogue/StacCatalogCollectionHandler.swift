internal import JobTypes
internal import TaskProtocol

/// `stac_catalog_collection`: one STAC collection with an item for each scene. Pure: the documents are stored by publishing.
enum StacCatalogCollectionHandler: TaskHandler {
  static let version: Int32 = 1

  static func run(_ context: TaskContext) throws -> String {
    let parameters = try context.parameters(StacCatalogCollectionParameters.self)
    let total = Int64(parameters.scenes.count)
    var items: [String] = []
    let brief = Self.brief(parameters.common.description)
    for scene in parameters.scenes {
      try context.reporter.progress(
        "catalog", unit: "scenes", done: Int64(items.count), total: total, message: "Describing the scenes")
      var own = parameters.common
      own.itemID = scene.id
      own.description = brief
      own.title = "\(own.title): \(scene.id)"
      own.file = scene.file
      own.sourceSHA256 = scene.sourceSHA256
      own.sourceCRS = scene.sourceCRS
      let documents = StacRaster(own, scene: scene.id)
      let item = try scene.item.map { try documents.adopted(JSONValue(text: $0)) } ?? documents.item
      items.append(try JSONText.encode(item))
    }
    var document = parameters.common.collection(bbox: parameters.bbox)
    if let tiles = parameters.common.tiles, case .object(var members) = document {
      members["assets"] = ["tile_cache": StacRaster.asset(tiles, parameters.common.endpoint)]
      members["stac_extensions"] = ["https://stac-extensions.github.io/file/v2.1.0/schema.json"]
      document = .object(members)
    }
    let collection = try JSONText.encode(document)
    return try JSONText.encode(StacCollectionResult(collection: collection, items: items))
  }

  /// The collection has all of it; a thousand scenes have its beginning.
  private static func brief(_ description: String) -> String {
    guard description.utf8.count > 300 else { return description }
    var cut = description.prefix(300)
    while cut.utf8.count > 297 { cut.removeLast() }
    return cut + "…"
  }
}
