internal import Geospatial
internal import JobTypes
internal import TaskProtocol

/// `stac_catalog_vectors`: STAC 1.1 collection and item of a vector dataset. Pure: the documents are stored by publishing.
enum StacCatalogVectorsHandler: TaskHandler {
  static let version: Int32 = 1

  static func run(_ context: TaskContext) throws -> String {
    let parameters = try context.parameters(StacCatalogVectorsParameters.self)
    try context.reporter.progress("catalog", unit: "steps", done: 0, total: 1, message: "Describing the dataset")
    guard !parameters.layers.isEmpty else {
      throw ProblemReport(.parametersInvalid, "A dataset without layers has no description.")
    }
    let result = StacCatalogResult(
      collection: try JSONText.encode(StacVectors(parameters).collection),
      item: try JSONText.encode(StacVectors(parameters).item))
    try context.reporter.progress("catalog", unit: "steps", done: 1, total: 1, message: "Described the dataset")
    return try JSONText.encode(result)
  }
}

/// The documents, built from request and ingest result.
struct StacVectors {
  let parameters: StacCatalogVectorsParameters

  init(_ parameters: StacCatalogVectorsParameters) { self.parameters = parameters }

  private static let tableExtension = "https://stac-extensions.github.io/table/v1.2.0/schema.json"

  /// West, south, east, north of all layers.
  private var bbox: [Double]? {
    parameters.layers.compactMap(\.bbox).filter { $0.count == 4 }.reduce(nil) { (union: [Double]?, box) in
      guard let union else { return box }
      return [min(union[0], box[0]), min(union[1], box[1]), max(union[2], box[2]), max(union[3], box[3])]
    }
  }

  /// The box as geometry: a point or a line where the box has no area, since a flat polygon is not valid.
  private var footprint: JSONValue {
    guard let box = bbox else { return .null }
    let (west, south, east, north) = (box[0], box[1], box[2], box[3])
    let corner = { (x: Double, y: Double) in JSONValue.numbers([x, y]) }
    if west == east && south == north { return ["type": "Point", "coordinates": corner(west, south)] }
    if west == east || south == north {
      return ["type": "LineString", "coordinates": [corner(west, south), corner(east, north)]]
    }
    let ring: JSONValue = [
      corner(west, south), corner(east, south), corner(east, north), corner(west, north), corner(west, south),
    ]
    return ["type": "Polygon", "coordinates": [ring]]
  }

  var collection: JSONValue { parameters.collection(bbox: bbox) }

  var item: JSONValue {
    var document = parameters.item(extensions: [Self.tableExtension], bbox: bbox)
    document["geometry"] = footprint
    document["properties"] = properties
    document["assets"] = assets
    return .object(document)
  }

  private var properties: JSONValue {
    var properties = parameters.commonProperties
    properties["table:row_count"] = .integer(parameters.layers.reduce(0) { $0 + $1.counts.loaded })
    properties["terrane:collections"] = .array(parameters.layers.map(Self.summary))
    if parameters.layers.count == 1, let layer = parameters.layers.first {
      if !layer.geometryType.isEmpty { properties["table:primary_geometry"] = "geom" }
      properties["table:columns"] = Self.columns(of: layer)
    }
    return .object(properties)
  }

  private static func summary(_ layer: IngestedLayer) -> JSONValue {
    [
      "id": .string(layer.collectionID), "title": .string(layer.title), "geometry_type": .string(layer.geometryType),
      "feature_count": .integer(layer.counts.loaded), "source_crs": .string(layer.sourceCRS),
      "bbox": layer.bbox.map(JSONValue.numbers) ?? .null,
    ]
  }

  private static func columns(of layer: IngestedLayer) -> JSONValue {
    let geometry: [JSONValue] = layer.geometryType.isEmpty ? [] : [["name": "geom", "type": "geometry"]]
    let own: [JSONValue] = [["name": "fid", "type": "int8"]] + geometry
    return .array(own + layer.columns.map { ["name": .string($0.name), "type": .string($0.sqlType)] })
  }

  private var assets: JSONValue {
    var assets: [String: JSONValue] = [
      "endpoint": [
        "href": .string(parameters.endpoint), "type": "application/json", "title": "OGC API", "roles": ["service"],
      ]
    ]
    for layer in parameters.layers {
      let base = "\(parameters.endpoint)/collections/\(layer.collectionID)"
      let suffix = parameters.layers.count == 1 ? "" : "-\(layer.collectionID)"
      assets["features\(suffix)"] = [
        "href": .string("\(base)/items"), "type": "application/geo+json", "title": .string(layer.title),
        "roles": ["data"], "table:row_count": .integer(layer.counts.loaded), "table:columns": Self.columns(of: layer),
      ]
      guard !layer.geometryType.isEmpty else { continue }
      assets["tiles\(suffix)"] = [
        "href": .string("\(base)/tiles/WebMercatorQuad/tilejson.json"), "type": "application/json",
        "title": .string("\(layer.title): vector tiles"), "roles": ["tiles"],
      ]
    }
    return .object(assets)
  }
}
